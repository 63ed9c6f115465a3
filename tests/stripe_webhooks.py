"""Webhooks as Stripe sends them: made up, or those that the sandbox has; and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import stripe
from flask.testing import FlaskClient
from sqlalchemy import func, select
from stripe import WebhookSignature
from werkzeug.test import TestResponse

from dashboard.database import db
from dashboard.models import CatalogPrice, StripeEvent
from dashboard.wiring import wiring
from tests.sandbox.shop import VISA, give_card
from tests.sandbox_server import SandboxServer

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


def fetches(sandbox: SandboxServer, path: str) -> int:
    """How often the sandbox was asked for it."""
    return sandbox.transcript.read_text().count(f'"method": "GET", "path": "{path}"')


def subscribe(tenant_id: int, plan: str = "starter", card: str = VISA) -> stripe.Subscription:
    """The tenant's subscription, made at Stripe without a word to us."""
    v1 = wiring().stripe_client.v1
    customer = v1.customers.create({"metadata": {"tenant_id": str(tenant_id)}})
    give_card(wiring().stripe_client, customer.id, card)
    return v1.subscriptions.create({"customer": customer.id, "items": [{"price": price_of(plan)}]})


def price_of(plan: str) -> str:
    """The monthly base price of a plan on sale."""
    wanted = select(CatalogPrice.price_id).where(CatalogPrice.plan == plan, CatalogPrice.usage_type.is_(None))
    return db.session.scalars(wanted.where(CatalogPrice.active, CatalogPrice.interval == "monthly")).one()


def deliver_all(client: FlaskClient) -> None:
    """Every event of the sandbox to our address."""
    for each in events_of_sandbox():
        assert send(client, each) == 200
