"""Countinghouse and the example platform, each at an address where the other reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from embedded.ports import free_port
from embedded.stack import Stack
from tests.client.servers import AppServer
from tests.examples.running import Platform, start


@pytest.fixture
def countinghouse_port() -> int:
    """Where Countinghouse is: Twilio's sandbox calls it there."""
    return free_port()


@pytest.fixture
def more_settings(countinghouse_port: int, tmp_path: Path) -> dict[str, object]:
    """Its settings: the platform on this machine may be told of things, and keeps its files where they are measured."""
    return {
        "public_url": f"http://127.0.0.1:{countinghouse_port}",
        "webhook_allow_private": True,
        "storage_root": tmp_path / "media",
    }


@pytest.fixture
def server(app: Flask, countinghouse_port: int) -> Iterator[AppServer]:
    """Countinghouse over HTTP."""
    server = AppServer(app, countinghouse_port)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def platform(stack: Stack, server: AppServer, tmp_path: Path) -> Iterator[Platform]:
    """The platform, reporting to Countinghouse."""
    platform, process = start(stack, tmp_path, server.base, accepts_action_time=True)
    yield platform
    process.stop()
