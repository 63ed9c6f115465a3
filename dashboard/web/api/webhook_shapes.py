"""The shapes of what the webhook views take and answer, for their description."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dashboard.billing.fields import MAX_ID
from dashboard.billing.outgoing_webhooks.webhook_endpoints import EVENT_TYPES
from dashboard.web.api.answers import Shape

EventType = Annotated[str, Field(json_schema_extra={"enum": list(EVENT_TYPES)})]


class EndpointIn(BaseModel):
    """An address that wants to hear of events."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="https, and reachable from the internet.")
    event_types: list[EventType] = Field(default=[], min_length=1, description="All when left out.")
    enabled: bool = True


class EndpointUpdateIn(BaseModel):
    """What is to change; the rest stays."""

    model_config = ConfigDict(extra="forbid")

    url: str = ""
    event_types: list[EventType] = Field(default=[], min_length=1)
    enabled: bool = True


class EndpointOut(Shape):
    """An endpoint without its secret."""

    id: int
    url: str
    event_types: list[str]
    enabled: bool
    disabled_reason: str | None
    created_by: str | None
    created_at: datetime


class NewEndpointOut(EndpointOut):
    """An endpoint with its secret, shown once."""

    secret: str


class EndpointsOut(Shape):
    """Every endpoint of the tenant."""

    webhook_endpoints: list[EndpointOut]


class DeliveriesQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    cursor: int | None = Field(default=None, ge=1, le=MAX_ID, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


class DeliveryOut(Shape):
    """One message on its way to one endpoint."""

    id: int
    message_id: str
    event_type: str
    state: str
    attempts: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None


class DeliveriesOut(Shape):
    """Deliveries, newest first."""

    deliveries: list[DeliveryOut]
    next_cursor: str | None


class ReplayIn(BaseModel):
    """Since when."""

    model_config = ConfigDict(extra="forbid")

    since: datetime


class ReplayedOut(Shape):
    """How many are sent again."""

    replayed: int


class QueuedOut(Shape):
    """The test is on its way."""

    queued: Literal[True]


class ReceivedOut(Shape):
    """The event is on disk."""

    received: Literal[True]
    is_new: bool


class StripeSignatureHeader(BaseModel):
    """Stripe's signature over the body."""

    stripe_signature: str


class TwilioSignatureHeader(BaseModel):
    """Twilio's signature over address and form."""

    x_twilio_signature: str


class StripeEventIn(BaseModel):
    """An event as Stripe sends it."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: str
    created: int | str


class TwilioPostIn(BaseModel):
    """Twilio's parameters. Which there are depends on what happened."""

    model_config = ConfigDict(extra="allow")
