"""The chart's geometry."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from dashboard.billing.reports import report_usage
from dashboard.web.charts import build_chart, scale_top
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
    report = report_usage(session, tenant, period_key=None, family_key="texts", now=NOON)
    chart = build_chart(report)
    assert [tick.value for tick in chart.ticks] == [0, 2, 4, 6, 8]
    bar = chart.bars[1]
    assert (bar.total, bar.values) == (8, (6, 2))
    assert [(part.series, part.y, part.height) for part in bar.segments] == [(1, 25.0, 75.0), (2, 0.0, 25.0)]
    assert len(chart.bars) == 30
    assert chart.bars[-1].is_future
    assert not chart.bars[14].is_future
