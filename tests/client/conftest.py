"""The application over HTTP, a spool, and clients that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from countinghouse_client import Countinghouse
from flask import Flask

from embedded.ports import free_port
from tests.client.servers import AppServer
from tests.platform import new_tenant


@pytest.fixture
def server(app: Flask) -> Iterator[AppServer]:
    """The application, answering on a port of its own; it may be stopped and started."""
    server = AppServer(app, free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def key() -> str:
    """The API key of a tenant."""
    return new_tenant()[1]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Where events wait."""
    return tmp_path / "spool"


MakeClient = Callable[..., Countinghouse]


@pytest.fixture
def make_client(app: Flask, server: AppServer, key: str, spool: Path) -> Iterator[MakeClient]:
    """Clients of the tenant, closed at the end."""
    made: list[Countinghouse] = []

    def make(base: str = server.base, api_key: str = key, **more: Any) -> Countinghouse:
        made.append(Countinghouse(base, api_key, spool=spool, **{"linger": 0.01, **more}))
        return made[-1]

    yield make
    for client in made:
        client.close(timeout=0)
