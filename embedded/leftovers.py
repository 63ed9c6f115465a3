"""What a crash left running (the owner and its guards were killed): found by what it is, never by a bare pid."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

PATIENCE = 10.0


def stop_recorded(folder: Path) -> None:
    """End every program whose record still names a live process that runs exactly that program."""
    for record in sorted((folder / "pids").glob("*.json")):
        found = json.loads(record.read_text())
        process = running(found["pid"], found["argv"])
        if process is not None:
            polite = signal.SIGINT if record.stem == "postgres" else signal.SIGTERM
            end([process, *descendants(process)], [polite, signal.SIGKILL])
        record.unlink()


def running(pid: int, argv: Sequence[str]) -> psutil.Process | None:
    """The process `pid` if it was started with these arguments; a reused pid was not."""
    try:
        process = psutil.Process(pid)
        line = process.cmdline()
    except psutil.Error:
        return None
    # A script's command line begins with its interpreter, so only the end must agree.
    program = Path(argv[0]).name
    same = line[-len(argv) + 1 :] == list(argv[1:]) if len(argv) > 1 else bool(line)
    return process if same and any(Path(word).name == program for word in line) else None


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """The children of a process and theirs; none if it has just ended."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def working_in(name: str, folder: Path) -> list[psutil.Process]:
    """Processes called `name` whose working directory is `folder`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == name and Path(process.cwd()) == folder:
                found.append(process)
    return found


def end(processes: Sequence[psutil.Process], signals: Iterable[int]) -> None:
    """The first process gets one signal after the other; what is left at the end gets the last one."""
    alive = list(processes)
    for number in signals:
        for process in alive if number == signal.SIGKILL else alive[:1]:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
        _, alive = psutil.wait_procs(alive, timeout=PATIENCE)
        if not alive:
            return
