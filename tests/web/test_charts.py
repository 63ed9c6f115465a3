"""The chart's geometry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.reports.usage_report import report_usage
from dashboard.billing.reports.usage_scope import Wanted, find_scope
from dashboard.billing.reports.usage_series import SlotRow
from dashboard.web.charts import Mark, build_chart, scale_top
from tests.factories import NOON, make_tenant, record


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 4), (1, 4), (4, 4), (5, 8), (9, 12), (20, 20), (21, 40), (41, 60), (99, 100), (101, 120), (4_001, 6_000)],
)
def test_the_scale_ends_on_a_round_number(highest: int, top: int) -> None:
    assert scale_top(highest) == top


def test_a_bar_is_as_high_as_its_row_says(session: Session) -> None:
    tenant = make_tenant(session)
    record(session, tenant, quantity=6, occurred_at="2026-06-02T10:00:00Z")
    record(session, tenant, quantity=2, occurred_at="2026-06-02T11:00:00Z", usage_type="SMS_RECEIVED")
    chart = build_chart(report_usage(session, tenant, find_scope(session, tenant, Wanted(), NOON), NOON).slots)
    assert [tick.value for tick in chart.ticks] == [0, 2, 4, 6, 8]
    bar = chart.bars[1]
    assert (bar.row.total, bar.row.values) == (8, (6, 2))
    assert [(part.series, part.y, part.height) for part in bar.segments] == [(1, 25.0, 75.0), (2, 0.0, 25.0)]
    assert len(chart.bars) == 30
    assert chart.bars[-1].row.is_future
    assert not chart.bars[14].row.is_future


def test_what_went_before_is_a_line_across_the_bar() -> None:
    row = SlotRow(NOON, NOON + timedelta(hours=1), (2,), 2, previous=8, is_future=False)
    chart = build_chart([row, replace(row, previous=0), replace(row, previous=None)])
    assert [bar.previous for bar in chart.bars] == [Mark(4.667, 28.667, 0.0), None, None]
