"""The comparison itself: facts in, verdict out. It reads and writes nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.billing.reconciliation.hours import compare_level, compare_sum, refused
from dashboard.billing.reconciliation.parts import (
    Batch,
    Difference,
    Kind,
    Repair,
    Subject,
)
from dashboard.models import CheckState, MeterEventState

# Stripe makes the invoice of a period within an hour, and may be told to keep it a draft for 72 h.
INVOICE_WAIT = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The three numbers of a subject and what they say. `unsettled` are hours of which nothing can be said yet."""

    ledger: int
    events: int
    told: int
    summary: int
    state: CheckState
    reason: str | None
    differences: tuple[Difference, ...]
    unsettled: frozenset[datetime]


def compare(subject: Subject, *, now: datetime, settled_by: datetime, oldest: datetime) -> Comparison:
    """Compare ledger, meter and invoice.

    Stripe's summaries follow with a delay: what was sent after `settled_by` may not be in them yet. What happened
    before `oldest` no meter takes any more.
    """
    by_hour = _by_hour(subject)
    unsettled = frozenset(hour for hour, batches in by_hour.items() if _is_unsettled(batches, settled_by))
    found = [
        *_rollups(subject),
        *(each for hour, each in _of_hours(subject, by_hour) if hour not in unsettled),
    ]
    if not unsettled:
        found += _claims(subject)
    is_final = subject.billed is not None and subject.billed.is_final
    found = [_billable(each, is_final=is_final, oldest=oldest) for each in found]
    is_sending = any(bucket.is_due for bucket in subject.buckets) or any(
        batch.state == MeterEventState.PENDING for batch in subject.batches
    )
    totals = _totals(subject, unsettled)
    if not unsettled and not is_sending:
        found += _invoice(subject, totals[0], found, now)
    open_ones = [each for each in found if each.key not in subject.repaired]
    state, reason = _verdict(subject, totals, now, is_sending=is_sending, is_settling=bool(unsettled))
    if open_ones:
        state, reason = CheckState.DIFFERENT, None
    return Comparison(
        ledger=totals[0],
        events=sum(bucket.events for bucket in subject.buckets),
        told=totals[1],
        summary=totals[2],
        state=state,
        reason=reason,
        differences=tuple(found),
        unsettled=unsettled,
    )


def _by_hour(subject: Subject) -> dict[datetime, list[Batch]]:
    """Our batches by the hour Stripe counts them in, and the hours that only Stripe knows."""
    start, stop = subject.span
    hours: dict[datetime, list[Batch]] = defaultdict(list)
    for hour in subject.hours:
        hours[hour] = []
    for batch in subject.batches:
        if start <= batch.timestamp < stop:
            hours[batch.hour].append(batch)
    return dict(sorted(hours.items()))


def _is_unsettled(batches: list[Batch], settled_by: datetime) -> bool:
    return any(
        batch.state == MeterEventState.PENDING
        or (batch.sent_at is not None and batch.sent_at > settled_by)
        or (batch.cancel_asked_at is not None and batch.state == MeterEventState.SENT)
        or (batch.cancel_asked_at is not None and batch.cancel_asked_at > settled_by)
        for batch in batches
    )


def _of_hours(subject: Subject, by_hour: dict[datetime, list[Batch]]) -> list[tuple[datetime, Difference]]:
    found: list[tuple[datetime, Difference]] = []
    before = 0
    for hour, batches in by_hour.items():
        at_stripe = subject.hours.get(hour)
        if not subject.is_level:
            differences = compare_sum(subject.usage_type, hour, batches, at_stripe)
        else:
            differences = compare_level(subject.usage_type, hour, batches, at_stripe, before)
            before = _last([batch for batch in batches if batch.is_told], before)
        named = {each.key for each in differences}
        differences += [each for each in _refused(hour, batches) if each.key not in named]
        found += [
            (hour, each) for each in differences if each.batch is None or each.batch.bucket_start >= subject.start
        ]
    return found


def _refused(hour: datetime, batches: list[Batch]) -> list[Difference]:
    return [refused(batch, hour) for batch in batches if batch.state == MeterEventState.REJECTED and batch.is_usage]


def _rollups(subject: Subject) -> list[Difference]:
    return [
        Difference(
            f"rollup:{subject.usage_type}:{int(bucket.start.timestamp())}",
            Kind.ROLLUP,
            Repair.REBUILD,
            bucket.ledger,
            bucket.rollup,
            bucket.start,
        )
        for bucket in subject.buckets
        if bucket.ledger != bucket.rollup
    ]


def _claims(subject: Subject) -> list[Difference]:
    """Buckets whose claim is not what their batches tell: nobody would send the rest."""
    alive: dict[datetime, list[Batch]] = defaultdict(list)
    for batch in subject.batches:
        if batch.is_usage and batch.state not in {MeterEventState.SUPERSEDED, MeterEventState.CANCELED}:
            alive[batch.bucket_start].append(batch)
    readings = {(batch.bucket_start, batch.value) for batch in subject.batches}
    found = []
    for bucket in subject.buckets:
        claimed, batches = bucket.claimed - bucket.settled, alive[bucket.start]
        told = _last(batches, 0) if subject.is_level else sum(batch.value for batch in batches)
        # A reading that went to a proposal is told by no batch any more.
        was_told = subject.is_level and (bucket.start, claimed) in readings
        if claimed != told and not was_told:
            key = f"claim:{subject.usage_type}:{int(bucket.start.timestamp())}"
            found.append(Difference(key, Kind.CLAIM, Repair.RECLAIM, claimed, told, bucket.start))
    return found


def _billable(each: Difference, *, is_final: bool, oldest: datetime) -> Difference:
    """A difference at Stripe that a final invoice, or a meter that takes nothing so old, makes a matter of money."""
    if each.kind in {Kind.ROLLUP, Kind.CLAIM, Kind.INVOICE} or each.hour is None:
        return each
    if each.repair == Repair.CONFIRM or (not is_final and each.hour >= oldest):
        return each
    repair = Repair.INVOICE_ITEM if each.lacking > 0 else Repair.CREDIT_NOTE
    return Difference(each.key, each.kind, repair, each.expected, each.found, each.hour, each.batch)


def _invoice(subject: Subject, ledger: int, found: list[Difference], now: datetime) -> list[Difference]:
    """What the invoice bills beside what ledger, proposals and the other differences explain."""
    billed = subject.billed
    if not subject.is_priced or (billed is not None and not billed.is_final):
        return []
    if billed is None and (ledger <= 0 or now < subject.end + INVOICE_WAIT):
        return []
    named = [each for each in found if each.kind not in {Kind.ROLLUP, Kind.CLAIM} and each.key not in subject.repaired]
    if subject.is_level and named:
        return []
    explained = 0 if subject.is_level else sum(each.lacking for each in named)
    expected = max(ledger, 0) - subject.proposed - explained
    quantity = billed.quantity if billed else 0
    if expected == quantity:
        return []
    repair = Repair.INVOICE_ITEM if expected > quantity else Repair.CREDIT_NOTE
    key = f"invoice:{subject.usage_type}:{int(subject.start.timestamp())}"
    return [Difference(key, Kind.INVOICE, repair, expected, quantity)]


def _totals(subject: Subject, unsettled: frozenset[datetime]) -> tuple[int, int, int]:
    """(ledger, told, summary) of the period."""
    told = [batch for batch in subject.batches if batch.is_told]
    of_period = [batch for batch in told if subject.start <= batch.bucket_start < subject.end]
    if not subject.is_level:
        return (
            sum(bucket.ledger for bucket in subject.buckets),
            sum(batch.value for batch in of_period),
            sum(subject.hours.values()),
        )
    read = [bucket for bucket in subject.buckets if bucket.events]
    ledger = max(read, key=lambda bucket: bucket.start).ledger if read else 0
    start, stop = subject.span
    in_span = _last([batch for batch in told if start <= batch.timestamp < stop], 0)
    summary = subject.hours[max(subject.hours)] if subject.hours else 0
    exact = _last(of_period, 0)
    # Meters are asked by the minute. A reading within the minute of the period's edge is on the other side there.
    return ledger, exact, exact if summary == in_span and not unsettled else summary


def _last(batches: list[Batch], otherwise: int) -> int:
    return max(batches, key=lambda batch: (batch.timestamp, batch.id)).value if batches else otherwise


def _verdict(
    subject: Subject, totals: tuple[int, int, int], now: datetime, *, is_sending: bool, is_settling: bool
) -> tuple[CheckState, str | None]:
    """Equal, or what is still waited for."""
    if is_sending:
        return CheckState.WAITING, "sending"
    if is_settling:
        return CheckState.WAITING, "settling"
    if now < subject.end:
        return CheckState.WAITING, "period"
    if not subject.is_priced:
        return CheckState.EQUAL, None
    if subject.billed is None:
        return (CheckState.WAITING, "invoice") if any(totals) else (CheckState.EQUAL, None)
    return (CheckState.EQUAL, None) if subject.billed.is_final else (CheckState.WAITING, "draft")
