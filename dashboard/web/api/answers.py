"""The shapes of what the usage API answers. Times are ISO 8601 in UTC; money is whole minor units of `currency`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class Shape(BaseModel):
    """A JSON object with exactly these members."""

    model_config = ConfigDict(extra="forbid")


class PeriodOut(Shape):
    """A billing period, or a calendar month where there was no subscription."""

    key: str = Field(description="Its name in `?period=`.", examples=["2026-06-03"])
    starts_at: datetime
    ends_at: datetime
    plan: str | None = Field(description="Null without a subscription, and on a plan that is none of the catalogue's.")
    has_subscription: bool
    is_current: bool


class TypeOut(Shape):
    """One usage type in the range. `included` to `estimated_cost` are null unless the range is one billing period and
    the type is billed.
    """

    usage_type: str = Field(examples=["SMS_SENT"])
    label: str
    unit: str = Field(description="What one is: segment, call, second, message …")
    aggregation: Literal["sum", "last"] = Field(description="`last`: a level, of which the latest reading counts.")
    quantity: int
    events: int = Field(description="Ledger rows behind the quantity, corrections among them.")
    included: int | None
    remaining: int | None
    over: int | None
    estimated_cost: int | None = Field(description="Of what is over, in minor units.")
    late_quantity: int | None = Field(description="Recorded after the period had ended; null for a level.")
    late_events: int
    last_recorded_at: datetime | None


class SummaryOut(Shape):
    """Every usage type in a range."""

    start: datetime = Field(alias="from")
    stop: datetime = Field(alias="to")
    period: PeriodOut | None
    currency: str
    estimated_cost: int | None
    late_events: int
    last_recorded_at: datetime | None
    types: list[TypeOut]


class TotalOut(Shape):
    """What the parts add up to."""

    quantity: int
    events: int
    late_quantity: int | None
    late_events: int


class SlotOut(Shape):
    """An hour or day, cut where the range begins or ends inside it."""

    start: datetime = Field(alias="from")
    stop: datetime = Field(alias="to")
    quantity: int
    events: int
    late_quantity: int | None
    late_events: int


class GroupOut(Shape):
    """The usage of one user, resource or metadata value; `key` null gathers what names none."""

    key: str | None
    resource_type: str | None = Field(description="Of a resource; else null.")
    quantity: int
    events: int


class OtherOut(Shape):
    """What the groups that are not listed have together. The quantity of a level is null: it does not add up."""

    groups: int
    quantity: int | None
    events: int


class EventOut(Shape):
    """One ledger row. A correction names its original (`corrects_id`), the original its correction (`corrected_by`)."""

    id: int
    usage_type: str
    quantity: int
    user_id: str | None
    resource_type: str | None
    resource_id: str | None
    metadata: dict[str, Any]
    source: str
    idempotency_key: str
    occurred_at: datetime = Field(description="When it happened: it is billed in the period of this time.")
    recorded_at: datetime
    corrects_id: int | None
    corrected_by: int | None
    late: bool


class UsageOut(Shape):
    """One usage type in a range. Parts that were not asked for are null."""

    usage_type: str
    unit: str
    aggregation: Literal["sum", "last"]
    start: datetime = Field(alias="from")
    stop: datetime = Field(alias="to")
    period: PeriodOut | None
    total: TotalOut | None = Field(description="Null when only events were asked for.")
    granularity: Literal["hour", "day"] | None
    series: list[SlotOut] | None = Field(description="Up to now. A level holds its last reading.")
    group_by: str | None
    groups: list[GroupOut] | None = Field(description="The largest first; `limit` of them.")
    other: OtherOut | None
    events: list[EventOut] | None = Field(description="Newest first.")
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class ReversalOut(Shape):
    """The correction that took an action back."""

    id: int
    corrects_id: int
    idempotency_key: str


class RecordedOut(Shape):
    """What became of one event."""

    id: int
    idempotency_key: str
    status: Literal["new", "duplicate"]


class EventErrorOut(Shape):
    """Why an event of a batch was refused."""

    field: str
    message: str


class BatchEntryOut(Shape):
    """What became of one event of a batch, by its place. `id` is there unless it was refused, `errors` if it was."""

    index: int
    status: Literal["new", "duplicate", "refused"]
    id: int = 0
    idempotency_key: str | None
    errors: list[EventErrorOut] = []


class BatchOut(Shape):
    """What became of a batch, in the order it was sent."""

    new: int
    duplicates: int
    refused: int
    events: list[BatchEntryOut]


class RecordOut(RootModel[RecordedOut | BatchOut]):
    """For one event what became of it; for a batch the counts and an entry for each event."""
