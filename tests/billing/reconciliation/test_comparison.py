"""The comparison by itself: what each difference is called, by which batch, and which one repair is offered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from dashboard.billing.reconciliation.comparison import Comparison, compare
from dashboard.billing.reconciliation.parts import Batch, Billed, Bucket, Subject
from tests.factories import NOON

START, END = NOON - timedelta(days=10), NOON + timedelta(days=20)
HOUR = timedelta(hours=1)
_ids = count(1)


def batch(value: int, hour: datetime = NOON, **more: Any) -> Batch:
    """A batch that was sent two hours after its hour began."""
    n = next(_ids)
    given = {
        "id": n,
        "identifier": f"b{n}",
        "bucket_start": hour,
        "timestamp": hour,
        "value": value,
        "state": "sent",
        "kind": "usage",
        "sent_at": hour + 2 * HOUR,
    }
    return Batch(**{**given, **more})


def bucket(quantity: int, hour: datetime = NOON, **more: Any) -> Bucket:
    """A bucket whose ledger, rollup and claim agree."""
    given = {
        "start": hour,
        "ledger": quantity,
        "events": 1,
        "rollup": quantity,
        "claimed": quantity,
        "settled": 0,
        "is_due": False,
    }
    return Bucket(**{**given, **more})


def subject(batches: list[Batch], hours: Mapping[datetime, int], **more: Any) -> Subject:
    """A subject whose buckets are what the batches that count tell."""
    alive = [each for each in batches if each.state in {"sent", "pending", "rejected"} and each.kind != "repair"]
    starts = {each.bucket_start for each in alive}
    buckets = [bucket(sum(each.value for each in alive if each.bucket_start == start), start) for start in starts]
    given = {
        "usage_type": "SMS_SENT",
        "is_level": False,
        "start": START,
        "end": END,
        "buckets": tuple(buckets),
        "batches": tuple(batches),
        "hours": hours,
    }
    return Subject(**{**given, **more})


def look(given: Subject, now: datetime = NOON + timedelta(days=1), delay: timedelta = HOUR) -> Comparison:
    return compare(given, now=now, settled_by=now - delay, oldest=now - timedelta(days=34))


def names(comparison: Comparison) -> list[tuple[str, str, int]]:
    """Kind, repair and what Stripe lacks."""
    return [(each.kind, each.repair, each.lacking) for each in comparison.differences]


def test_a_running_period_that_is_equal_waits_for_its_end() -> None:
    found = look(subject([batch(7), batch(3)], {NOON: 10}))
    assert (found.ledger, found.told, found.summary) == (10, 10, 10)
    assert (found.state, found.reason, found.differences) == ("waiting", "period", ())


def test_a_closed_period_is_equal_once_its_invoice_is_final() -> None:
    given = subject([batch(7)], {NOON: 7})
    after = END + 2 * HOUR
    assert look(given, after).reason == "invoice"
    assert look(replace(given, billed=Billed(7, "in_1", is_final=False)), after).reason == "draft"
    assert look(replace(given, billed=Billed(7, "in_1", is_final=True)), after).state == "equal"


def test_a_period_without_usage_needs_no_invoice() -> None:
    assert look(subject([], {}), END + HOUR).state == "equal"


def test_an_hour_that_stripe_lacks_names_each_of_its_batches() -> None:
    one, other = batch(7), batch(3)
    found = look(subject([one, other, batch(2, NOON + HOUR)], {NOON + HOUR: 2}))
    assert names(found) == [("dropped", "resend", 7), ("dropped", "resend", 3)]
    assert {each.batch for each in found.differences} == {one, other}
    assert {each.hour for each in found.differences} == {NOON}
    assert found.state == "different"


def test_of_several_batches_the_one_that_is_missing_is_named() -> None:
    batches = [batch(7), batch(3), batch(4)]
    found = look(subject(batches, {NOON: 11}))
    assert [each.batch for each in found.differences] == [batches[1]]


def test_a_doubled_batch_is_named_and_taken_off() -> None:
    batches = [batch(7), batch(3)]
    found = look(subject(batches, {NOON: 13}))
    assert names(found) == [("doubled", "adjust", -3)]
    assert found.differences[0].batch == batches[1]


def test_a_replaced_batch_that_came_after_all_is_canceled() -> None:
    late = batch(7, state="superseded")
    found = look(subject([late, batch(7, kind="resend")], {NOON: 14}))
    assert names(found) == [("doubled", "cancel", -7)]
    assert found.differences[0].batch == late


def test_one_dropped_and_one_doubled_in_the_same_hour_are_both_named() -> None:
    dropped, doubled = batch(7), batch(3)
    found = look(subject([dropped, doubled], {NOON: 6}))
    assert names(found) == [("dropped", "resend", 7), ("doubled", "adjust", -3)]


def test_what_no_batch_explains_says_so() -> None:
    found = look(subject([batch(7)], {NOON: 9, NOON + HOUR: 4}))
    assert names(found) == [("unexplained", "adjust", -2), ("unexplained", "adjust", -4)]


def test_a_refused_batch_is_to_be_mended() -> None:
    found = look(subject([batch(7), batch(3, state="rejected", sent_at=None)], {NOON: 7}))
    assert names(found) == [("refused", "mend", 3)]


def test_a_refused_batch_that_stripe_counts_is_only_to_be_noted() -> None:
    lost = batch(3, state="rejected", sent_at=None, error_code="unconfirmed")
    found = look(subject([batch(7), lost], {NOON: 10}))
    assert names(found) == [("refused", "confirm", 0)]


def test_what_was_sent_within_the_delay_is_no_finding_yet() -> None:
    given = subject([batch(7, sent_at=NOON + 23 * HOUR)], {})
    assert look(given, delay=2 * HOUR).reason == "settling"
    assert names(look(given, delay=timedelta(0))) == [("dropped", "resend", 7)]


def test_an_hour_with_a_pending_batch_is_not_judged() -> None:
    found = look(subject([batch(7), batch(3, state="pending", sent_at=None)], {NOON: 10}))
    assert (found.state, found.reason, found.differences) == ("waiting", "sending", ())


def test_a_rollup_that_is_not_the_ledgers_is_rebuilt() -> None:
    given = replace(subject([batch(7)], {NOON: 7}), buckets=(bucket(7, ledger=8),))
    assert names(look(given)) == [("rollup", "rebuild", 1)]


def test_a_claim_that_no_batch_tells_is_claimed_anew() -> None:
    given = replace(subject([batch(7)], {NOON: 7}), buckets=(bucket(9),))
    assert names(look(given)) == [("claim", "reclaim", 2)]


def test_after_a_final_invoice_a_difference_is_a_matter_of_money() -> None:
    billed = Billed(3, "in_1", is_final=True)
    found = look(subject([batch(7), batch(3, NOON + HOUR)], {NOON + HOUR: 3}, billed=billed), END + 2 * HOUR)
    assert names(found) == [("dropped", "invoice_item", 7)]
    found = look(subject([batch(7)], {NOON: 14}, billed=Billed(14, "in_1", is_final=True)), END + 2 * HOUR)
    assert names(found) == [("doubled", "credit_note", -7)]


def test_what_a_proposal_repairs_is_equal_though_the_meter_stays_as_it_is() -> None:
    lost = batch(7)
    found = look(
        subject(
            [lost],
            {},
            billed=Billed(0, "in_1", is_final=True),
            proposed=7,
            repaired=frozenset({f"dropped:{lost.id}"}),
        ),
        END + 2 * HOUR,
    )
    assert found.state == "equal"


def test_an_invoice_that_bills_something_else_is_named_by_itself() -> None:
    given = subject([batch(7)], {NOON: 7}, billed=Billed(5, "in_1", is_final=True))
    assert names(look(given, END + 2 * HOUR)) == [("invoice", "invoice_item", 2)]
    assert names(look(replace(given, billed=Billed(8, "in_1", is_final=True)), END + 2 * HOUR)) == [
        ("invoice", "credit_note", -1)
    ]
    assert look(replace(given, is_priced=False), END + 2 * HOUR).state == "equal"


def test_usage_that_no_invoice_bills_is_a_difference_after_four_days() -> None:
    given = subject([batch(7)], {NOON: 7})
    assert names(look(given, END + timedelta(days=5))) == [("invoice", "invoice_item", 7)]


def level(batches: list[Batch], hours: Mapping[datetime, int]) -> Comparison:
    last = batches[-1].value if batches else 0
    given = subject(batches, hours, is_level=True, usage_type="STORAGE_USED_MB")
    return look(replace(given, buckets=(bucket(last),) if batches else ()))


def test_of_a_level_the_last_value_counts() -> None:
    batches = [batch(50), batch(20, timestamp=NOON + timedelta(minutes=5))]
    found = level(batches, {NOON: 20})
    assert (found.ledger, found.told, found.summary, found.differences) == (20, 20, 20, ())
    lost = level(batches, {NOON: 50})
    assert names(lost) == [("dropped", "resend", 20)]
    assert lost.differences[0].batch == batches[1]
    assert names(level(batches, {NOON: 99})) == [("unexplained", "adjust", -79)]


def test_a_level_that_only_stripe_has_is_told_again_what_was_last() -> None:
    found = level([batch(50)], {NOON: 50, NOON + HOUR: 60})
    assert names(found) == [("unexplained", "adjust", -10)]
    assert level([batch(50)], {NOON: 50, NOON + HOUR: 50}).differences == ()


def test_a_level_read_in_the_minute_of_the_periods_edge_is_on_one_side_only() -> None:
    start = START.replace(second=40)
    before = batch(9, timestamp=START.replace(second=10), bucket_start=START - HOUR)
    own = batch(50, NOON)
    given = subject([before, own], {START: 9, NOON: 50}, is_level=True, start=start)
    given = replace(given, buckets=(bucket(50),))
    assert look(given).differences == ()
