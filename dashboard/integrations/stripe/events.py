"""Reading an event as it was delivered or listed: what it is about, and what staff should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from dashboard.billing.inbox.webhook_inbox import IncomingEvent
from dashboard.integrations.stripe.client import API_VERSION
from dashboard.integrations.stripe.handlers import subject_of
from dashboard.integrations.stripe.subjects import Event, id_in, object_of

LONGEST = 255
SNAPSHOT, THIN = "event", "v2.core.event"


class NotAnEvent(ValueError):
    """It is no event that Stripe would send to this key; the message says why, and names the field."""


def parse_event(text: str, *, is_live: bool | None) -> IncomingEvent:
    """Read the verified body of a webhook. `is_live` is the mode of our key, None where its form does not tell.

    Raises `NotAnEvent`.
    """
    try:
        event = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAnEvent(f"the body is not valid JSON: {error}") from error
    if not isinstance(event, dict):
        raise NotAnEvent("the body must be a JSON object")
    # PostgreSQL keeps no NUL, which can only come escaped.
    return read_event(event, None if "\\u0000" in text else msgspec.Raw(text.encode()), is_live=is_live)


def read_event(event: Event, raw: msgspec.Raw | None = None, *, is_live: bool | None) -> IncomingEvent:
    """Read an event; `raw` is its JSON where it can be kept as it came.

    Raises `NotAnEvent`.
    """
    for field in ("id", "type"):
        value = event.get(field)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
            raise NotAnEvent(f"{field}: must be 1 to {LONGEST} printable characters")
    if event.get("object", SNAPSHOT) not in {SNAPSHOT, THIN}:
        raise NotAnEvent(f"object: must be {SNAPSHOT} or {THIN}")
    _check_mode(event, is_live)
    holder = object_of(event) or event.get("related_object") or {}
    subject = subject_of(event)
    return IncomingEvent(
        id=event["id"],
        type=event["type"],
        object_id=id_in(holder, "id") if isinstance(holder, Mapping) else None,
        subject=str(subject) if subject else None,
        customer_id=_customer_of(event),
        api_version=version if isinstance(version := event.get("api_version"), str) else None,
        note=_note(event),
        payload=raw if raw is not None else msgspec.Raw(msgspec.json.encode(_clean(event))),
        created_at=_moment(event.get("created")),
    )


def _check_mode(event: Event, is_live: bool | None) -> None:
    given = event.get("livemode")
    if is_live is None or not isinstance(given, bool) or given is is_live:
        return
    modes = {True: "live mode", False: "a test or sandbox"}
    raise NotAnEvent(
        f"livemode: the event is of {modes[given]}, and STRIPE_SECRET_KEY of {modes[is_live]}; "
        "STRIPE_WEBHOOK_SECRET must be of the same mode as the key"
    )


def _customer_of(event: Event) -> str | None:
    holder = object_of(event)
    return id_in(holder, "id" if holder.get("object") == "customer" else "customer")


def _note(event: Event) -> str | None:
    """An event of another API version has another form. What we mirror is fetched by our own, so it is only noted."""
    version = event.get("api_version")
    if event.get("object") == THIN or version == API_VERSION:
        return None
    return f"API version {version or 'not told'}, and this program is written for {API_VERSION}"


def _moment(created: object) -> datetime:
    """Snapshot events carry Unix seconds, thin events an ISO 8601 text."""
    try:
        if isinstance(created, int) and not isinstance(created, bool):
            return datetime.fromtimestamp(created, UTC)
        if isinstance(created, str) and (moment := datetime.fromisoformat(created)).tzinfo:
            return moment
    except (ValueError, OverflowError, OSError):
        pass
    raise NotAnEvent("created: must be Unix seconds, or an ISO 8601 time with its offset")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, Mapping):
        return {_clean(key): _clean(each) for key, each in value.items()}
    return value
