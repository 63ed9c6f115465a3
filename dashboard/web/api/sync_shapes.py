"""The shapes of a meter sync: how one is asked for, and what is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dashboard.billing.fields import MAX_ID
from dashboard.web.api.answers import Shape


class SyncIn(BaseModel):
    """What is to be sent. The body may be left out altogether."""

    model_config = ConfigDict(extra="forbid")

    usage_types: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="Those that have a meter; all of them when left out."
    )


class SyncsQuery(BaseModel):
    """Which runs."""

    model_config = ConfigDict(extra="forbid")

    before: int | None = Field(default=None, ge=1, le=MAX_ID, description="`next_before` of the page before.")
    limit: int = Field(default=20, ge=1, le=100)


class SyncOut(Shape):
    """One meter sync of this tenant."""

    id: int
    state: Literal["queued", "running", "complete", "failed", "canceled"]
    usage_types: list[str] | None = Field(description="Null: all that have a meter.")
    started_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: int = Field(description="Percent of what it has to send.")
    claimed: int = Field(description="Hours whose change it found.")
    to_send: int = Field(description="Meter events that waited when it began to send.")
    sent: int = Field(description="Those that Stripe accepted.")
    rejected: int = Field(description="Those that Stripe refused.")
    seconds_left: int | None = Field(description="At the rate so far; null where that cannot be said.")
    error: str | None


class SyncsOut(Shape):
    """Runs, newest first. `next_before` is null on the last page."""

    syncs: list[SyncOut]
    next_before: int | None
