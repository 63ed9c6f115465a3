"""One hour of a meter: which batches explain that Stripe holds something else than it was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import combinations

from dashboard.billing.reconciliation.parts import Batch, Difference, Kind, Repair
from dashboard.models import MeterEventState

# The code of a batch that was handed to Stripe and never answered (`metering.sending`).
UNCONFIRMED = "unconfirmed"
# Beyond this many batches in one hour only single ones and pairs are tried.
FEW = 40


def compare_sum(usage_type: str, hour: datetime, batches: Sequence[Batch], found: int | None) -> list[Difference]:
    """What is wrong with an hour of a sum. `found` is None where Stripe has nothing for the hour."""
    told = [batch for batch in batches if batch.is_told and batch.value]
    expected = sum(batch.value for batch in told)
    extra = (found or 0) - expected
    if extra == 0:
        return []
    if found is None:
        return [dropped(batch, hour) for batch in told]
    known = [batch for batch in batches if not batch.is_told and _may_have_arrived(batch) and batch.value]
    arrived = _subset(known, extra)
    if arrived:
        return [_arrived(batch, hour) for batch in arrived]
    missing = _subset(told, -extra)
    if missing:
        return [dropped(batch, hour) for batch in missing]
    twice = _subset(told, extra)
    if twice:
        return [_doubled(batch, hour, Repair.ADJUST) for batch in twice]
    for one in told:
        for other in told:
            if one is not other and other.value - one.value == extra:
                return [dropped(one, hour), _doubled(other, hour, Repair.ADJUST)]
    return [_unexplained(usage_type, hour, expected, found)]


def compare_level(
    usage_type: str, hour: datetime, batches: Sequence[Batch], found: int | None, before: int
) -> list[Difference]:
    """What is wrong with an hour of a level, whose last value counts; `before` is the last one of earlier hours."""
    told = sorted((batch for batch in batches if batch.is_told), key=lambda batch: (batch.timestamp, batch.id))
    expected = told[-1].value if told else before
    # An hour without a row is not one of value 0: the level of the hour before goes on.
    if found == expected or (found is None and not told):
        return []
    arrived = [batch for batch in batches if batch.state == MeterEventState.REJECTED and _may_have_arrived(batch)]
    if found is not None and found in {batch.value for batch in arrived}:
        return [refused(batch, hour, Repair.CONFIRM) for batch in arrived if batch.value == found]
    if told and (found is None or found in {batch.value for batch in told[:-1]}):
        return [dropped(told[-1], hour)]
    return [_unexplained(usage_type, hour, expected, found or 0)]


def dropped(batch: Batch, hour: datetime) -> Difference:
    """Stripe said that it took this batch, and has it not."""
    return Difference(f"dropped:{batch.id}", Kind.DROPPED, Repair.RESEND, batch.value, 0, hour, batch)


def _arrived(batch: Batch, hour: datetime) -> Difference:
    """Stripe counts a batch that we thought it had not."""
    if batch.state == MeterEventState.REJECTED:
        return refused(batch, hour, Repair.CONFIRM)
    # Where taking it back did not help, the difference is told.
    return _doubled(batch, hour, Repair.ADJUST if batch.state == MeterEventState.CANCELED else Repair.CANCEL)


def refused(batch: Batch, hour: datetime, repair: Repair = Repair.MEND) -> Difference:
    """Stripe refused this batch, or its answer was lost for good."""
    found = batch.value if repair == Repair.CONFIRM else 0
    return Difference(f"refused:{batch.id}", Kind.REFUSED, repair, batch.value, found, hour, batch)


def _doubled(batch: Batch, hour: datetime, repair: Repair) -> Difference:
    """Stripe counts this batch once more than it was told, or although it was taken back."""
    times = 1 if batch.is_told else 0
    return Difference(
        f"doubled:{batch.id}", Kind.DOUBLED, repair, times * batch.value, (times + 1) * batch.value, hour, batch
    )


def _unexplained(usage_type: str, hour: datetime, expected: int, found: int) -> Difference:
    key = f"unexplained:{usage_type}:{int(hour.timestamp())}"
    return Difference(key, Kind.UNEXPLAINED, Repair.ADJUST, expected, found, hour)


def _may_have_arrived(batch: Batch) -> bool:
    """Whether Stripe may count it all the same: its answer lost, replaced, taken back, or a repair too many."""
    if batch.state == MeterEventState.REJECTED:
        return batch.error_code == UNCONFIRMED
    if batch.is_usage:
        return batch.state in {MeterEventState.SUPERSEDED, MeterEventState.CANCELED}
    return batch.state == MeterEventState.SENT


def _subset(batches: Sequence[Batch], total: int) -> tuple[Batch, ...]:
    """The fewest of these batches, the newest first, whose values add up to `total`; none where none do."""
    newest = sorted(batches, key=lambda batch: -batch.id)
    for size in range(1, 4 if len(newest) <= FEW else 3):
        for some in combinations(newest, size):
            if sum(batch.value for batch in some) == total:
                return some
    return ()
