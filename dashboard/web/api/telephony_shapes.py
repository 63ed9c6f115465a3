"""The shapes of texts and calls, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dashboard.billing.telephony.call_requests import MAX_MESSAGE, MAX_TWIML
from dashboard.billing.telephony.text_requests import MAX_BODY
from dashboard.web.api.inputs import short_text

# As `billing/telephony/phone_numbers.PHONE`; JSON Schema has no \Z.
E164 = r"^\+[1-9][0-9]{6,14}$"


class TextIn(BaseModel):
    """One text."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    to: str = Field(pattern=E164, description="An E.164 number.")
    body: str = Field(min_length=1, max_length=MAX_BODY)
    from_: str | None = Field(
        default=None,
        alias="from",
        pattern=E164,
        description="One of the tenant's numbers; its own when left out.",
    )
    user_id: str | None = short_text("Who sends it.", default=None)
    metadata: dict[str, Any] | None = Field(default=None, description="Kept with the usage event.")


class IdempotencyHeader(BaseModel):
    """Makes a repeat safe."""

    idempotency_key: str | None = short_text(
        "The same key never does it twice. A key is made up when none is sent.", default=None
    )


class CallIn(BaseModel):
    """One call. Exactly one of `url`, `twiml` and `message` says what happens in it."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    to: str = Field(pattern=E164, description="An E.164 number.")
    from_: str | None = Field(
        default=None, alias="from", pattern=E164, description="One of the tenant's numbers; its own if absent."
    )
    url: str | None = Field(default=None, description="Where Twilio finds the TwiML.")
    twiml: str | None = Field(default=None, max_length=MAX_TWIML, description="The TwiML itself.")
    message: str | None = Field(default=None, max_length=MAX_MESSAGE, description="A text to be spoken.")
    user_id: str | None = short_text("Who calls.", default=None)
    metadata: dict[str, Any] | None = Field(default=None, description="Kept with the usage events.")


class TextOut(BaseModel):
    """A text and how it fares. Further members may come."""

    model_config = ConfigDict(extra="allow")

    id: int
    sid: str | None = Field(description="Twilio's id.")
    state: Literal["sending", "accepted", "refused"]
    to: str
    from_: str = Field(alias="from")
    segments: int | None = Field(description="What is billed.")
    user_id: str | None
    metadata: dict[str, Any]
    delivery_status: str | None = Field(description="As Twilio last told it.")
    error: str | None
    requested_at: datetime


class CallOut(BaseModel):
    """A call, made or received, and how it fares. Further members may come."""

    model_config = ConfigDict(extra="allow")

    id: int
    sid: str | None = Field(description="Twilio's id.")
    direction: str
    state: str
    to: str
    from_: str = Field(alias="from")
    status: str | None = Field(description="As Twilio last told it.")
    duration_seconds: int | None
    user_id: str | None
    metadata: dict[str, Any]
    error: str | None
    requested_at: datetime
    ended_at: datetime | None
