"""The comparison itself: what two lists of the same texts and calls disagree about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date
from enum import StrEnum

from dashboard.billing.ports.telephony import RecordKind, TelephonyRecord


class Reason(StrEnum):
    """How the two sides differ about one text or call."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What our ledger says of a text (segments) or call (seconds), its correction counted in. `dated_on` is in UTC."""

    tenant_id: int
    dated_on: date
    kind: RecordKind
    sid: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One text or call that differs. `ours` and `theirs` are None where that side knows nothing of it."""

    sid: str
    kind: RecordKind
    reason: Reason
    tenant_id: int | None
    number: str | None
    direction: str | None
    status: str | None
    ours: int | None
    theirs: int | None


@dataclass(slots=True)
class Figures:
    """Totals of one day: records, segments and whole seconds."""

    texts: int = 0
    segments_ours: int = 0
    segments_theirs: int = 0
    calls: int = 0
    seconds_ours: int = 0
    seconds_theirs: int = 0
    undecided: int = 0

    def add(self, kind: RecordKind, ours: int, theirs: int) -> None:
        """Count one text or call."""
        if kind == "text":
            self.texts += 1
            self.segments_ours += ours
            self.segments_theirs += theirs
        else:
            self.calls += 1
            self.seconds_ours += ours
            self.seconds_theirs += theirs


class DayComparison:
    """Takes in Twilio's list of a day, then ours; what it keeps of equal ones is the SID alone."""

    def __init__(self, day: date) -> None:
        self.day = day
        self.figures = Figures()
        self.differences: list[Difference] = []
        self._seen: set[str] = set()
        self._strays: dict[str, tuple[TelephonyRecord, int | None]] = {}

    def take(
        self, records: Iterable[TelephonyRecord], owners: Mapping[str, int], recorded: Mapping[str, Recorded]
    ) -> None:
        """Take in records of Twilio's list: `owners` are tenants by number, `recorded` ours by SID.

        One that is not among ours waits: the number may have had another tenant then.
        """
        for record in records:
            if record.sid in self._seen:  # the list moved under its pages
                continue
            self._seen.add(record.sid)
            ours = recorded.get(record.sid)
            if ours is None:
                self._strays[record.sid] = (record, owners.get(record.our_number))
            else:
                self._compare(record, ours)

    @property
    def has_strays(self) -> bool:
        """Whether a record of Twilio's was not found among ours so far."""
        return bool(self._strays)

    def meet(self, ours: Recorded) -> bool:
        """Take in one of ours, of this day or one beside it; answers whether Twilio is to be asked about it.

        It is when it counts here and Twilio's list of the day did not have it.
        """
        stray = self._strays.pop(ours.sid, None)
        if stray is not None:
            self._compare(stray[0], ours)
        return ours.dated_on == self.day and ours.quantity != 0 and ours.sid not in self._seen

    def settle(self, ours: Recorded, record: TelephonyRecord | None) -> None:
        """Take in what Twilio answered about one of ours that its list did not have.

        One that Twilio dates on another day belongs to that day's check.
        """
        self._seen.add(ours.sid)
        if record is None:
            self._note(Reason.MISSING_THERE, ours, ours=ours)
        elif record.dated_at is None or record.dated_at.astimezone(UTC).date() == self.day:
            self._compare(record, ours)

    def finish(self) -> None:
        """Both sides are taken in: what still waits is missing here, unless it is not billed."""
        for record, tenant_id in self._strays.values():
            if record.quantity is None:
                self.figures.undecided += 1
            elif record.quantity == 0:
                self.figures.add(record.kind, 0, 0)
            else:
                self._note(Reason.MISSING_HERE, record, record=record, tenant_id=tenant_id)
        self._strays.clear()

    def _compare(self, record: TelephonyRecord, ours: Recorded) -> None:
        if record.quantity is None:
            self.figures.undecided += 1
        elif record.quantity != ours.quantity:
            self._note(Reason.DIFFERENT, ours, ours=ours, record=record)
        else:
            self.figures.add(record.kind, ours.quantity, record.quantity)

    def _note(
        self,
        reason: Reason,
        subject: Recorded | TelephonyRecord,
        *,
        ours: Recorded | None = None,
        record: TelephonyRecord | None = None,
        tenant_id: int | None = None,
    ) -> None:
        difference = Difference(
            sid=subject.sid,
            kind=subject.kind,
            reason=reason,
            tenant_id=ours.tenant_id if ours else tenant_id,
            number=record.our_number if record else None,
            direction=record.direction if record else None,
            status=record.status if record else None,
            ours=ours.quantity if ours else None,
            theirs=record.quantity if record else None,
        )
        self.figures.add(subject.kind, difference.ours or 0, difference.theirs or 0)
        self.differences.append(difference)
