"""Which tables a span is read from."""

from __future__ import annotations

from datetime import datetime

import pytest

from dashboard.billing.ledger.rollup_reads import whole_buckets

HEAD = ("rollups", "05T10", "06T00")


@pytest.mark.parametrize(
    ("start", "stop", "slot", "pieces"),
    [
        ("05T10:14", "08T10:14", None, [HEAD, ("days", "06T00", "08T00"), ("rollups", "08T00", "08T10")]),
        ("05T00:00", "08T00:00", "day", [("days", "05T00", "08T00")]),
        ("05T00:00", "08T00:00", "hour", [("rollups", "05T00", "08T00")]),
        ("05T10:00", "06T00:00", None, [HEAD]),
        ("05T10:00", "06T09:00", None, [("rollups", "05T10", "06T09")]),
        ("05T10:00", "05T10:00", None, []),
    ],
)
def test_whole_days_are_read_as_days(
    start: str, stop: str, slot: str | None, pieces: list[tuple[str, str, str]]
) -> None:
    bounds = (datetime.fromisoformat(f"2026-06-{each}:00+00:00") for each in (start, stop))
    found = whole_buckets(0, *bounds, slot)
    assert [(each.table[6:], f"{each.start:%dT%H}", f"{each.stop:%dT%H}") for each in found] == pieces
