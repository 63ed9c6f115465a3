"""What the domain asks a telephony provider about a whole day: its own records, to hold ours against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

RecordKind = Literal["text", "call"]


@dataclass(frozen=True, slots=True)
class TelephonyRecord:
    """A text or call as the provider bills it.

    `our_number` is the end of it that is ours: the sender of what went out, the receiver of what came in. `quantity`
    is segments or whole seconds, 0 for what is not billed and None while the provider has not decided. `dated_at`
    is the time by which the provider lists it; what never left has none.
    """

    sid: str
    kind: RecordKind
    direction: str
    our_number: str
    quantity: int | None
    status: str
    dated_at: datetime | None


class TelephonyRecords(Protocol):
    """The provider's records."""

    def list_texts(self, day: date) -> Iterator[TelephonyRecord]:
        """Every text dated on this day (UTC), read as it is asked for.

        Raises `ProviderUnavailable`, also in the middle.
        """

    def list_calls(self, day: date) -> Iterator[TelephonyRecord]:
        """Every call that began on this day (UTC), as `list_texts`."""

    def find_record(self, kind: RecordKind, sid: str) -> TelephonyRecord | None:
        """One record, or None where the provider knows none.

        Raises `ProviderUnavailable`.
        """
