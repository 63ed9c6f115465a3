"""Webhooks as Stripe sends them: made up, or those that the sandbox has; and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import func, select
from stripe import WebhookSignature
from werkzeug.test import TestResponse

from dashboard.database import db
from dashboard.models import StripeEvent
from dashboard.wiring import wiring

URL = "/api/billing/webhook"
SECRET = "whsec_of_the_tests"
VERSION = "2026-10-28.endive"


def event(kind: str = "customer.updated", object_id: str = "cus_none", **more: Any) -> dict[str, Any]:
    """A snapshot event; `about` adds fields to its object."""
    about = more.pop("about", {})
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": VERSION,
        "type": kind,
        "created": 1_780_000_000,
        "livemode": False,
        "data": {"object": {"id": object_id, "object": kind.split(".")[0], **about}},
        **more,
    }


def post(client: FlaskClient, body: object, *, secret: str = SECRET, timestamp: int | None = None) -> TestResponse:
    """Sign and send; a string is sent as it is."""
    raw = body if isinstance(body, str) else json.dumps(body)
    header = WebhookSignature.generate_signature_header(payload=raw, secret=secret, timestamp=timestamp)
    return client.post(URL, data=raw.encode(), headers={"Stripe-Signature": header})


def send(client: FlaskClient, body: object, **how: Any) -> int:
    """The same; the status of the answer."""
    return post(client, body, **how).status_code


def stored() -> int:
    """How many events there are."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(StripeEvent)) or 0


def stored_event(event_id: str = "evt_1") -> StripeEvent:
    """One event as it is stored now."""
    db.session.rollback()
    return db.session.get_one(StripeEvent, event_id, populate_existing=True)


def states() -> dict[str, int]:
    """How many events are in each state."""
    db.session.rollback()
    rows = db.session.execute(select(StripeEvent.state, func.count()).group_by(StripeEvent.state))
    return {row[0]: row[1] for row in rows}


def events_of_sandbox() -> list[Mapping[str, Any]]:
    """Every event of the sandbox, the oldest first, as it would be delivered."""
    listed = wiring().stripe_client.v1.events.list({"limit": 100})
    return [json.loads(str(each)) for each in listed.auto_paging_iter()][::-1]
