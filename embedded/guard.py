"""The guard: a small process that ends its one program when the program's owner is gone, even after kill -9.

Run by file and not as a module, so that it needs nothing on the path and starts quickly:

    guard.py SETTINGS -- PROGRAM [ARGUMENT ...]        SETTINGS as JSON, see `main`

The owner holds the only write end of a pipe. End of file therefore means that the owner has ended or wants the
program ended; this needs no `prctl` and so works on macOS as on Linux.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

WAKE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
Child = subprocess.Popen  # without its type parameter, which the oldest Python here knows in annotations only


def main(settings: dict[str, object], argv: list[str]) -> int:
    """Run the program until it ends or its owner does; returns its exit code, 128 + n for signal n.

    Settings: `pipe` (file descriptor), `record` (file to note the program's pid in), `signals` (tried in this order),
    `patience` (seconds between them), `user` (None, or [uid, gid] to run the program as).
    """
    pipe = int(str(settings["pipe"]))
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in WAKE:
        signal.signal(number, lambda *_: None)
    child = start(argv, settings["user"])
    write_record(Path(str(settings["record"])), child.pid, argv)
    while child.poll() is None:
        readable, _, _ = select.select([pipe, wake_read], [], [], 5)
        asked = wake_read in readable and set(os.read(wake_read, 64)) - {signal.SIGCHLD}
        if pipe in readable or asked:
            end(child, settings["signals"], float(str(settings["patience"])))
    # What the program itself left behind in its group, such as a web server's workers.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


def start(argv: list[str], user: object) -> "subprocess.Popen[bytes]":
    """Start the program in a session of its own, so that Ctrl-C of a terminal reaches the owner only."""
    if not isinstance(user, list):
        return Child(argv, start_new_session=True)
    return Child(argv, start_new_session=True, user=user[0], group=user[1], extra_groups=[])


def write_record(path: Path, pid: int, argv: list[str]) -> None:
    """Note what runs, for a next start to find if this guard is killed as well."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"pid": pid, "argv": argv}))
    draft.replace(path)


def end(child: "subprocess.Popen[bytes]", signals: object, patience: float) -> None:
    """One signal after the other to the program; its group gets SIGKILL at the very end, in `main`."""
    for number in signals if isinstance(signals, list) else []:
        if child.poll() is not None:
            return
        child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    deadline = time.monotonic() + patience
    while child.poll() is None and time.monotonic() < deadline:
        child.kill()
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[3:]))
