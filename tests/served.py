"""The application as a web server runs it: processes of its own, on a port of its own, that can be killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
from pydantic import SecretStr

from dashboard.config import Settings
from embedded.ports import free_port
from embedded.process import Process
from embedded.stack import ROOT
from embedded.web_server import answers, web_command, web_environment


def environment_of(settings: Settings) -> dict[str, str]:
    """This process' environment with these settings: for one that records its API requests without being told to."""
    values = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if value is not None and name not in {"pinned", "spool_interval"}
    }
    return {**os.environ, **values}


class ServedApp:
    """One web server; `base` is its address, the same after a restart."""

    def __init__(self, settings: Settings, folder: Path, *, workers: int = 2, threads: int = 8) -> None:
        self._port = free_port()
        self.base = f"http://127.0.0.1:{self._port}"
        self._environment = {**environment_of(settings), "PUBLIC_URL": self.base}
        self._folder, self._workers, self._threads = folder, workers, threads
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> ServedApp:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.stop()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = Process(
            "web",
            web_command(self._port, workers=self._workers, threads=self._threads),
            self._folder,
            env=web_environment(self._environment),
            cwd=ROOT,
        )
        self._process.wait_until(lambda: answers(f"{self.base}/login"), 60)

    def kill(self) -> None:
        """End every process of it at once, in the middle of whatever it does (SIGKILL)."""
        assert self._process is not None
        family = [process for process in psutil.process_iter() if self._is_ours(process)]
        for process in family:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=10)
        self._process.stop()

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            words = process.cmdline()
        except psutil.Error:
            return False
        return "wsgi:app" in words and str(self._port) in words and "guard.py" not in " ".join(words)
