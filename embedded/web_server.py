"""The web server as it is run everywhere: make run, the demo, the bench and the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from embedded.process import Process
from embedded.stack import Stack

SMALL = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def web_command(port: int, *, workers: int, threads: int) -> list[str]:
    """The command line that serves `wsgi:app` on a port of 127.0.0.1."""
    return [
        str(Path(sys.executable).parent / "granian"),
        *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)),
        *("--blocking-threads", str(threads), "--no-ws", "--log-level", "warning", "wsgi:app"),
    ]


def web_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment with what keeps a web process small (glibc): one arena for its many threads, and large blocks,
    such as the bodies of batches, given back as soon as they are free.
    """
    return {**SMALL, **environment}


def start_web(stack: Stack, port: int, *, workers: int, threads: int) -> Process:
    """Start it and wait until it answers."""
    return stack.spawn(
        "web",
        web_command(port, workers=workers, threads=threads),
        env=web_environment(),
        ready=lambda: answers(f"http://127.0.0.1:{port}/login"),
    )


def answers(url: str) -> bool:
    """Whether there is an HTTP answer without a server's error; `url` is ours, on loopback."""
    try:
        with urlopen(url, timeout=2):  # noqa: S310
            return True
    except HTTPError as error:
        return error.code < 500
    except (URLError, OSError):
        return False
