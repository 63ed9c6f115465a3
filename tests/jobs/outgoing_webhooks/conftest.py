"""A receiver may be on this machine."""

from __future__ import annotations

import pytest


@pytest.fixture
def more_settings() -> dict[str, object]:
    return {"webhook_allow_private": True}
