"""A Stripe to measure against: the sandbox on loopback, a process of its own for each figure."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from bench.services import FOLDER, Services
from embedded.ports import free_port
from embedded.web_server import answers


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Its address, and what it costs."""

    base: str

    def cpu_seconds(self) -> float:
        """Processor time so far, of it and of nothing else."""
        port = self.base.rpartition(":")[2]
        times = [each.cpu_times() for each in psutil.Process().children(recursive=True) if _is_at(each, port)]
        return sum(each.user + each.system for each in times)


def _is_at(process: psutil.Process, port: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "sandbox" in words and port in words


@contextmanager
def sandbox(services: Services) -> Iterator[Sandbox]:
    """Start one with nothing in it; it ends with the block."""
    data, port = FOLDER / "sandbox", free_port()
    shutil.rmtree(data, ignore_errors=True)
    base = f"http://127.0.0.1:{port}"
    process = services.stack.spawn(
        "sandbox",
        [sys.executable, "-m", "sandbox", "--data", str(data), "--stripe-port", str(port), "--twilio-port", "0"],
        ready=lambda: answers(f"{base}/_sandbox/health"),
    )
    try:
        yield Sandbox(base)
    finally:
        process.stop()
