"""The shapes of what the usage API takes, for its description only: the domain checks what comes in.

These are usage's; those of other subjects stand in `*_shapes.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from dashboard.billing.fields import MAX_ID, MAX_TEXT
from dashboard.billing.ledger.usage_input import MAX_METADATA_BYTES, MAX_QUANTITY
from dashboard.billing.ledger.usage_types import USAGE_TYPES

MAX_EVENTS = 1_000


def short_text(description: str, **more: Any) -> Any:
    """A text of 1 to 200 characters."""
    return Field(description=description, min_length=1, max_length=MAX_TEXT, **more)


class UsageEventIn(BaseModel):
    """One billable action."""

    model_config = ConfigDict(extra="forbid")

    usage_type: str = Field(json_schema_extra={"enum": list(USAGE_TYPES)})
    quantity: int = Field(
        ge=-MAX_QUANTITY,
        le=MAX_QUANTITY,
        description="0 or more; negative in a correction only. Whole seconds of call time, the reading of a level.",
    )
    idempotency_key: str = short_text("Yours, unique for each action. The same key with another body is refused.")
    occurred_at: datetime | None = Field(
        default=None,
        description="When it happened, with offset, at most 5 minutes ahead; when it is taken in if left out. It is "
        "billed in the period of this time.",
    )
    user_id: str | None = short_text("Who did it.", default=None)
    resource_type: str | None = short_text("What kind of thing it was done to.", default=None)
    resource_id: str | None = short_text("Which of them.", default=None)
    metadata: dict[str, Any] | None = Field(
        default=None,
        description=f"Anything else, at most {MAX_METADATA_BYTES} bytes. Usage can be grouped by its keys.",
    )
    corrects_id: int | None = Field(
        default=None,
        ge=1,
        le=MAX_ID,
        description="Makes it a correction of this earlier event: it takes the time of that one, its quantity may be "
        "negative down to that quantity, and an event is corrected once.",
    )


class UsageBatchIn(BaseModel):
    """Up to 1,000 actions."""

    model_config = ConfigDict(extra="forbid")

    events: list[UsageEventIn] = Field(min_length=1, max_length=MAX_EVENTS)


class UsageEventsIn(RootModel[UsageEventIn | UsageBatchIn | list[UsageEventIn]]):
    """One event, `{"events": [...]}`, or a plain list of events."""


class CloudEventIn(BaseModel):
    """A CloudEvent 1.0. `source` and `id` together are the idempotency key, `subject` is the user.

    Extension attributes are kept in the metadata.
    """

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: str = short_text("Unique within its source.")
    source: str = short_text("Who reports it.")
    type: str = Field(json_schema_extra={"enum": list(USAGE_TYPES)})
    time: datetime | None = None
    subject: str | None = short_text("The user.", default=None)
    data: dict[str, Any] = Field(
        description="`quantity`, and if you like `user_id`, `resource_type`, `resource_id`, `metadata`, `corrects_id`."
    )


class CloudEventsIn(RootModel[list[CloudEventIn]]):
    """Up to 1,000 CloudEvents."""


class RecordQuery(BaseModel):
    """How a batch is taken."""

    model_config = ConfigDict(extra="forbid")

    atomic: Literal["true", "false"] = Field(
        default="true", description="`true`: all events of a batch or none. `false`: the good ones are stored."
    )
