"""A program under guard: started with a log file, ended politely, never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from embedded.errors import StackError

GUARD = Path(__file__).with_name("guard.py")
PATIENCE = 10.0  # seconds a program has after each signal
LOG_LIMIT = 10_000_000  # bytes; a longer log is put aside at the next start
TAIL = 25  # lines


class Process:
    """One program and its guard; `folder` holds its log and the record of its pid."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        signals: Sequence[int] = (signal.SIGTERM,),
    ) -> None:
        """Start at once; `user` is (uid, gid), `signals` end the program politely, the mildest first."""
        self.name = name
        self.log = log_file(folder, name)
        (folder / "pids").mkdir(parents=True, exist_ok=True)
        held, self._pipe = os.pipe()
        settings = {
            "pipe": held,
            "record": str(folder / "pids" / f"{name}.json"),
            "signals": [int(number) for number in signals],
            "patience": PATIENCE,
            "user": user,
        }
        try:
            with self.log.open("ab") as log:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD), json.dumps(settings), "--", *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=env,
                    cwd=cwd,
                    pass_fds=[held],
                    start_new_session=True,
                )
        finally:
            os.close(held)

    @property
    def exit_code(self) -> int | None:
        """The program's exit code, None while it runs."""
        return self._guard.poll()

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready()` says so; StackError with the log's tail if the program ends or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exit_code is not None:
                raise StackError(f"{self.name} ended with code {self.exit_code}.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer within {seconds:.0f} s.\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        """The last lines of the log, with its address."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join([f"The end of {self.log}:", *lines])

    def stop(self) -> None:
        """End the program and wait until it is gone; a second call does nothing."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        self._guard.wait()


def log_file(folder: Path, name: str) -> Path:
    """The log of a program, readable by its owner only; a long one is put aside."""
    path = folder / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    path.touch(mode=0o600)
    return path
