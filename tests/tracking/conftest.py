"""A tenant whose actions are tracked."""

from __future__ import annotations

import pytest
from flask import Flask

from dashboard.wiring import unit_of_work
from tests.factories import make_tenant


@pytest.fixture
def tenant_id(app: Flask) -> int:
    with unit_of_work() as session:
        return make_tenant(session).id
