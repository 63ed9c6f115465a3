"""Whatever Stripe lost, doubled or refused: doing what each finding offers makes meter and ledger equal.

Pure. The same with everything real is in `tests/faults/test_meter_schedules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.billing.reconciliation.comparison import Comparison, compare
from dashboard.billing.reconciliation.parts import Batch, Bucket, Difference, Repair, Subject, hour_of
from tests.factories import NOON

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FATES = ("counted", "counted", "lost", "doubled", "refused", "answer lost")

# (hour, value, what becomes of it) of each batch, in the order of sending.
histories = st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 7), st.sampled_from(FATES)), min_size=1, max_size=12)


@dataclass
class Meter:
    """What Stripe holds: (moment, place in the order of arrival, value) by identifier."""

    is_level: bool
    events: dict[str, tuple[datetime, int, int]] = field(default_factory=dict)
    order: count[int] = field(default_factory=count)

    def take(self, identifier: str, moment: datetime, value: int) -> None:
        """Count an event, once for its identifier."""
        self.events.setdefault(identifier, (moment, next(self.order), value))

    def hours(self) -> dict[datetime, int]:
        """Sums, or last values, by hour."""
        found: dict[datetime, int] = {}
        for moment, _, value in sorted(self.events.values()):
            hour = hour_of(moment)
            found[hour] = value if self.is_level else found.get(hour, 0) + value
        return found


@dataclass
class Sync:
    """Our batches, and the meter they go to."""

    meter: Meter
    batches: dict[int, Batch] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def send(self, hour: datetime, moment: datetime, value: int, kind: str = "usage") -> Batch:
        """A batch that Stripe takes."""
        n = next(self.numbers)
        batch = Batch(n, f"b{n}", hour, moment, value, "sent", kind, NOON + 3 * HOUR)
        self.batches[n] = batch
        self.meter.take(batch.identifier, moment, value)
        return batch

    def suffer(self, batch: Batch, fate: str) -> None:
        """What becomes of a batch."""
        if fate in {"lost", "refused"}:
            del self.meter.events[batch.identifier]
        if fate == "doubled":
            self.meter.take(f"{batch.identifier}-twice", batch.timestamp, batch.value)
        if fate in {"refused", "answer lost"}:
            code = "unconfirmed" if fate == "answer lost" else "no_meter"
            self.batches[batch.id] = replace(batch, state="rejected", error_code=code)

    def look(self) -> Comparison:
        """Compare a week later."""
        totals: dict[datetime, int] = {}
        for each in sorted(self.batches.values(), key=lambda each: (each.timestamp, each.id)):
            if each.state in {"sent", "rejected"} and each.is_usage:
                before = 0 if self.meter.is_level else totals.get(each.bucket_start, 0)
                totals[each.bucket_start] = before + each.value
        subject = Subject(
            usage_type="STORAGE_USED_MB" if self.meter.is_level else "SMS_SENT",
            is_level=self.meter.is_level,
            start=NOON - 240 * HOUR,
            end=NOON + 480 * HOUR,
            buckets=tuple(Bucket(start, total, 1, total, total, 0, False) for start, total in sorted(totals.items())),
            batches=tuple(self.batches.values()),
            hours=self.meter.hours(),
        )
        now = NOON + 168 * HOUR
        return compare(subject, now=now, settled_by=now - HOUR, oldest=now - 800 * HOUR)

    def repair(self, difference: Difference) -> None:
        """What the finding offers."""
        batch = difference.batch
        if batch is None or difference.repair == Repair.ADJUST:
            hour = difference.hour or NOON
            value = difference.expected if self.meter.is_level else difference.lacking
            moment = hour + HOUR - timedelta(seconds=1) if self.meter.is_level else hour
            self.send(hour, moment, value, "repair")
        elif difference.repair == Repair.CONFIRM:
            self.batches[batch.id] = replace(batch, state="sent", error_code=None)
        elif difference.repair == Repair.CANCEL:
            self.batches[batch.id] = replace(batch, state="canceled")
            self.meter.events.pop(batch.identifier, None)
        else:
            assert difference.repair in {Repair.RESEND, Repair.MEND}
            self.batches[batch.id] = replace(batch, state="superseded")
            self.send(batch.bucket_start, batch.timestamp, batch.value, "resend")


@settings(max_examples=400, deadline=None, database=None)
@given(history=histories, is_level=st.booleans())
def test_repairs_make_all_equal(history: list[tuple[int, int, str]], is_level: bool) -> None:
    sync = Sync(Meter(is_level))
    for n, (hour, value, fate) in enumerate(history):
        start = NOON + hour * HOUR
        sent = sync.send(start, start + n * MINUTE if is_level else start, abs(value) if is_level else value)
        sync.suffer(sent, fate)
    for _ in range(6):
        found = sync.look()
        for difference in found.differences:
            sync.repair(difference)
        if not found.differences:
            break
    assert (found.ledger, found.differences) == (found.told, ())
    assert found.summary == found.ledger
