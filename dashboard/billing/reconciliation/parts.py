"""What is compared, as plain values. Quantities are units of the usage type; of a level they are readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dashboard.models import MeterEventKind, MeterEventState

HOUR = timedelta(hours=1)


class Kind(StrEnum):
    """What is wrong."""

    DROPPED = "dropped"
    DOUBLED = "doubled"
    UNEXPLAINED = "unexplained"
    REFUSED = "refused"
    ROLLUP = "rollup"
    CLAIM = "claim"
    INVOICE = "invoice"


class Repair(StrEnum):
    """The one thing that puts it right."""

    RESEND = "resend"
    MEND = "mend"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    ADJUST = "adjust"
    REBUILD = "rebuild"
    RECLAIM = "reclaim"
    INVOICE_ITEM = "invoice_item"
    CREDIT_NOTE = "credit_note"


# Repairs that leave the meter as it is: staff decide on money, and the difference stays there to be seen.
BY_PROPOSAL = frozenset({Repair.INVOICE_ITEM, Repair.CREDIT_NOTE})


@dataclass(frozen=True, slots=True)
class Batch:
    """A meter event of ours."""

    id: int
    identifier: str
    bucket_start: datetime
    timestamp: datetime
    value: int
    state: str
    kind: str
    sent_at: datetime | None
    cancel_asked_at: datetime | None = None
    error_code: str | None = None

    @property
    def is_usage(self) -> bool:
        """Whether it tells usage; a repair tells only what Stripe needed besides."""
        return self.kind != MeterEventKind.REPAIR

    @property
    def is_told(self) -> bool:
        """Whether Stripe was told of usage by it."""
        return self.state == MeterEventState.SENT and self.is_usage

    @property
    def hour(self) -> datetime:
        """The UTC hour that Stripe counts it in."""
        return hour_of(self.timestamp)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The total of one bucket: by the ledger's own `events` rows, as rolled up, and as claimed for Stripe.

    Of what is claimed, `settled` went to a billing proposal instead.
    """

    start: datetime
    ledger: int
    events: int
    rollup: int
    claimed: int
    settled: int
    is_due: bool


@dataclass(frozen=True, slots=True)
class Billed:
    """What invoices bill of a usage type in a period."""

    quantity: int
    invoice_id: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """All there is to compare of one usage type in one period `[start, end)`.

    `hours` is what Stripe's meter holds by UTC hour, `span` what was asked for: whole minutes. `proposed` is asked for
    by billing proposals (negative: given back). `repaired` are the keys of differences that a proposal repairs.
    `is_priced` says whether an invoice would bill it.
    """

    usage_type: str
    is_level: bool
    start: datetime
    end: datetime
    buckets: tuple[Bucket, ...]
    batches: tuple[Batch, ...]
    hours: Mapping[datetime, int]
    billed: Billed | None = None
    proposed: int = 0
    is_priced: bool = True
    repaired: frozenset[str] = frozenset()

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The period in whole minutes, as meters can be asked for it."""
        return minute_of(self.start), minute_of(self.end)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not equal. `key` is the same whenever it is found again."""

    key: str
    kind: Kind
    repair: Repair
    expected: int
    found: int
    hour: datetime | None = None
    batch: Batch | None = None

    @property
    def lacking(self) -> int:
        """Units that Stripe lacks; negative where it has too many."""
        return self.expected - self.found


def hour_of(moment: datetime) -> datetime:
    """The beginning of its UTC hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def minute_of(moment: datetime) -> datetime:
    """The beginning of its minute."""
    return moment.replace(second=0, microsecond=0)
