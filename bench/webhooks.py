"""Stripe's webhooks: how fast they are acknowledged, and how fast they become state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from statistics import median
from typing import Any

from sqlalchemy import func, select, text
from stripe import WebhookSignature

from bench.figures import Figure
from bench.load import post, send
from bench.sandbox import sandbox
from bench.services import WEBHOOK_SECRET, Services
from bench.usage import cpu_seconds
from dashboard.app import create_app
from dashboard.billing.inbox.webhook_inbox import count_inbox, store_events
from dashboard.billing.plans.plans import prices_of_plan
from dashboard.billing.tenants import accounts
from dashboard.config import load_settings
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import set_up_catalog
from dashboard.integrations.stripe.events import read_event
from dashboard.jobs.webhooks import process_stripe_events
from dashboard.models import Invoice, Subscription
from dashboard.wiring import now, unit_of_work, wiring

PATH = "/api/billing/webhook"
SENDERS, ROUNDS, ACKNOWLEDGED = 8, 3, 6_000
BUYERS = 200
_numbers = count(1)


def measure_ack(services: Services, requests_a_round: int = ACKNOWLEDGED) -> Iterator[Figure]:
    """Signature, deduplication and commit, from 8 connections; every tenth webhook is a repeat."""
    send(services.base, deliveries(services, requests_a_round // 5), SENDERS)
    rates, p99, cpu = [], [], []
    for _ in range(ROUNDS):
        prepared = deliveries(services, requests_a_round)
        before = cpu_seconds(services)
        load = send(services.base, prepared, SENDERS)
        cpu.append((cpu_seconds(services) - before) * 1_000 / len(prepared))
        rates.append(len(prepared) / load.seconds)
        p99.append(load.percentile(0.99) * 1_000)
    more = {"senders": SENDERS, "cpu_ms_per_webhook": round(median(cpu), 4), "rounds": [round(rate) for rate in rates]}
    yield Figure("webhook.ack", median(rates), "webhooks/s", 1_800, more=more)
    yield Figure("webhook.ack_p99_ms", median(p99), "ms", 15, is_limit=True)


def deliveries(services: Services, wanted: int) -> list[bytes]:
    """Webhooks as they go over the wire, signed now: a signature is good for five minutes."""
    prepared: list[bytes] = []
    for n in range(wanted):
        if n % 10 == 9:
            prepared.append(prepared[-1])
            continue
        body = json.dumps(_invoice_event(next(_numbers)))
        header = WebhookSignature.generate_signature_header(payload=body, secret=WEBHOOK_SECRET)
        prepared.append(post(services.base, PATH, {"Stripe-Signature": header}, body.encode()))
    return prepared


def _invoice_event(number: int) -> dict[str, Any]:
    """An event of the size that those about an invoice have: about 3 KB."""
    lines = [{"id": f"il_{number}_{n}", "amount": 100 * n, "description": "Text messages × 500"} for n in range(24)]
    return {
        "id": f"evt_bench_{number}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "livemode": False,
        "type": "invoice.updated",
        "data": {
            "object": {
                "id": f"in_{number // 4}",
                "object": "invoice",
                "customer": f"cus_{number // 12}",
                "lines": lines,
            }
        },
    }


def measure_drain(services: Services, buyers: int = BUYERS) -> Iterator[Figure]:
    """All that Stripe tells of `buyers` purchases, stored beforehand, until it is in the tables: one worker."""
    with sandbox(services) as stripe, create_app(load_settings(stripe_api_base=stripe.base)).app_context():
        for number in range(buyers):
            _buy(number)
        rates, events = [], 0
        for _ in range(ROUNDS):
            events = _store_all()
            began = time.perf_counter()
            while _is_pending():
                process_stripe_events()
            rates.append(events / (time.perf_counter() - began))
        more: dict[str, object] = {"events": events, **_mirrored(), "rounds": [round(rate) for rate in rates]}
        yield Figure("webhook.drain", median(rates), "webhooks/s", 700, more=more)
        db.engine.dispose()


def _buy(number: int) -> None:
    """A tenant that subscribes to a plan and pays."""
    parts = wiring()
    v1 = parts.stripe_client.v1
    with unit_of_work() as session:
        if number == 0:
            set_up_catalog(session, parts.stripe_client, parts.pins)
        base, metered = prices_of_plan(session, "starter", "monthly", parts.pins) or ("", [])
        tenant = accounts.create_tenant(
            session, name=f"Buyer {number}", billing_email=f"b{number}@bench.example", sms_from=None, now=now()
        )
        tenant.stripe_customer_id = v1.customers.create({"metadata": {"tenant_id": str(tenant.id)}}).id
        customer = tenant.stripe_customer_id
    method = v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method.id}})
    v1.subscriptions.create({"customer": customer, "items": [{"price": price} for price in (base, *metered)]})


def _store_all() -> int:
    """Every event of the sandbox, as if none had come before, in the order in which they happened; how many."""
    with unit_of_work() as session:
        session.execute(text("TRUNCATE stripe_events"))
        listed = wiring().billing.list_events(now() - timedelta(days=1))
        events = [each for event in listed if (each := read_event(event, is_live=None)).subject]
        store_events(session.connection(), events[::-1], now())
    return len(events)


def _is_pending() -> bool:
    with unit_of_work() as session:
        return count_inbox(session).pending > 0


def _mirrored() -> dict[str, object]:
    with unit_of_work() as session:
        tables = {"invoices": Invoice, "subscriptions": Subscription}
        return {name: session.scalar(select(func.count()).select_from(table)) for name, table in tables.items()}
