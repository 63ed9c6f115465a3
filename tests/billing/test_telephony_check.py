"""Which records of two sides are equal, and how the others differ."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ports.telephony import RecordKind, TelephonyRecord
from dashboard.billing.telephony_check.comparison import DayComparison, Recorded
from dashboard.billing.telephony_check.results import need_past_day

DAY = date(2026, 6, 14)
NUMBER = "+15005550006"


def theirs(sid: str, quantity: int | None, kind: RecordKind = "text", day: int = 14) -> TelephonyRecord:
    return TelephonyRecord(sid, kind, "outbound-api", NUMBER, quantity, "sent", datetime(2026, 6, day, 9, tzinfo=UTC))


def ours(sid: str, quantity: int, kind: RecordKind = "text", day: int = 14, tenant_id: int = 7) -> Recorded:
    return Recorded(tenant_id, date(2026, 6, day), kind, sid, quantity)


def found(comparison: DayComparison) -> list[tuple[str, str, int | None, int | None, int | None]]:
    comparison.finish()
    return [(each.sid, each.reason, each.tenant_id, each.ours, each.theirs) for each in comparison.differences]


@pytest.fixture
def comparison() -> DayComparison:
    return DayComparison(DAY)


def test_equal_ones_are_counted_and_nothing_more(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 2), theirs("CA1", 42, "call")], {}, {"SM1": ours("SM1", 2), "CA1": ours("CA1", 42)})
    assert found(comparison) == []
    figures = comparison.figures
    assert (figures.texts, figures.segments_ours, figures.segments_theirs) == (1, 2, 2)
    assert (figures.calls, figures.seconds_ours, figures.seconds_theirs) == (1, 42, 42)


def test_another_quantity_is_told_with_both(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 3)], {}, {"SM1": ours("SM1", 2)})
    assert found(comparison) == [("SM1", "different", 7, 2, 3)]


def test_what_we_took_back_and_twilio_bills_is_told(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 1)], {}, {"SM1": ours("SM1", 0)})
    assert found(comparison) == [("SM1", "different", 7, 0, 1)]


def test_what_only_twilio_has_is_missing_here_under_the_numbers_owner(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 1)], {NUMBER: 7}, {})
    comparison.take([theirs("SM2", 1)], {}, {})
    assert found(comparison) == [("SM1", "missing_here", 7, None, 1), ("SM2", "missing_here", None, None, 1)]
    assert comparison.figures.segments_theirs == 2


def test_a_number_that_had_another_tenant_then_is_no_difference(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 1)], {NUMBER: 7}, {})
    assert comparison.has_strays
    assert not comparison.meet(ours("SM1", 1, tenant_id=8, day=13))
    assert found(comparison) == []


def test_what_twilios_list_lacks_is_asked_for_and_missing_there_if_it_knows_none(comparison: DayComparison) -> None:
    mine = ours("SM1", 2)
    assert comparison.meet(mine)
    comparison.settle(mine, None)
    assert found(comparison) == [("SM1", "missing_there", 7, 2, None)]
    assert comparison.figures.segments_ours == 2


def test_what_twilio_dates_on_another_day_belongs_to_that_days_check(comparison: DayComparison) -> None:
    mine = ours("CA1", 42, "call")
    assert comparison.meet(mine)
    comparison.settle(mine, theirs("CA1", 40, "call", day=13))
    assert found(comparison) == []
    assert comparison.figures.calls == 0


def test_only_what_counts_and_is_of_the_day_is_asked_for(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 1)], {}, {"SM1": ours("SM1", 1)})
    mine = [ours("SM1", 1), ours("SM2", 0), ours("SM3", 1, day=13)]
    assert [comparison.meet(each) for each in mine] == [False, False, False]


def test_what_twilio_has_not_decided_is_no_difference_yet(comparison: DayComparison) -> None:
    comparison.take([theirs("CA1", None, "call"), theirs("SM1", None)], {}, {"SM1": ours("SM1", 1)})
    assert found(comparison) == []
    assert comparison.figures.undecided == 2


def test_what_is_billed_nowhere_is_no_difference(comparison: DayComparison) -> None:
    comparison.take([theirs("SM1", 0)], {}, {})
    assert found(comparison) == []


def test_a_record_that_two_pages_show_is_counted_once(comparison: DayComparison) -> None:
    for _ in range(2):
        comparison.take([theirs("SM1", 1)], {}, {"SM1": ours("SM1", 1)})
    assert comparison.figures.texts == 1


@pytest.mark.parametrize("day", ["", "yesterday", "2026-06-15", "2026-06-16", "1999-12-31", "2026-02-30"])
def test_a_day_that_is_not_over_is_refused(day: str) -> None:
    with pytest.raises(InvalidInput, match="day: must be a day before today"):
        need_past_day(day, date(2026, 6, 15))
