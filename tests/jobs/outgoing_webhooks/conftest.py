"""A tenant, and a receiver that may be on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.platform import new_tenant
from tests.receiver import Receiver, receiving


@pytest.fixture
def more_settings() -> dict[str, object]:
    return {"webhook_allow_private": True}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def tenant_id(app: Flask) -> int:
    return new_tenant()[0]
