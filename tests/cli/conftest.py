"""A tenant whose usage is imported."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.platform import new_tenant


@pytest.fixture
def tenant_id(app: Flask) -> int:
    return new_tenant()[0]
