"""A sandbox in which many tenants live at once, and what can go wrong between them and Stripe's meters."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from stripe import InvalidRequestError, StripeClient

from dashboard.billing import sync_runs
from dashboard.billing.invoices import sync_invoice
from dashboard.billing.plans import prices_of_plan, usage_types_of_prices
from dashboard.billing.reversals import reverse_usage
from dashboard.billing.subscription_outlooks import apply_whole, read_whole
from dashboard.billing.usage import record_usage
from dashboard.billing.usage_input import parse_usage
from dashboard.jobs.metering import sync_meters
from dashboard.models import CatalogMeter, MeterEvent, Tenant, UsageEvent
from dashboard.wiring import now, unit_of_work, wiring
from embedded.stack import Stack
from tests.factories import make_tenant
from tests.sandbox.shop import VISA, give_card

TYPES = ("SMS_SENT", "CALL_DURATION_SECONDS", "AI_MESSAGE_GENERATED", "STORAGE_USED_MB")
_numbers = count(1)


class Killed(BaseException):
    """The worker is gone."""


class Impatient:
    """A pace that never waits: faults follow each other without pauses."""

    def take(self, count: int) -> None:
        """At once."""

    def hold(self, seconds: float) -> None:
        """Not at all."""

    def wait(self, seconds: float) -> None:
        """Not at all."""


@contextmanager
def killed_at(commit: int, *, after: bool) -> Iterator[None]:
    """Die at the n-th commit, before it or after it."""
    left = [commit]
    whole = Session.commit

    def commit_or_die(session: Session) -> None:
        left[0] -= 1
        if left[0] == 0 and not after:
            raise Killed
        whole(session)
        if left[0] == 0 and after:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "commit", commit_or_die)
        yield


@dataclass
class World:
    """One application and one sandbox process, without a transcript: other tests check what passes."""

    app: Flask
    base: str
    http: requests.Session = field(default_factory=requests.Session)

    @classmethod
    def start_sandbox(cls, stack: Stack, folder: Path) -> tuple[str, Path]:
        """A sandbox of its own: (address, clock file)."""
        clock_file = folder / "clock.json"
        arguments = ["--data", str(folder / "data"), "--stripe-port", "0", "--twilio-port", "0"]
        log = stack.data_dir / "logs" / "fault-sandbox.log"
        stack.spawn(
            "fault-sandbox",
            [sys.executable, "-m", "sandbox", *arguments, "--clock-file", str(clock_file)],
            ready=lambda: log.exists() and "ready " in log.read_text(),
        )
        line = next(line for line in log.read_text().splitlines() if line.startswith("ready "))
        return dict(word.split("=", 1) for word in line.split()[1:])["stripe"], clock_file

    def hurry(self) -> None:
        """Make the application's sender wait for nothing."""
        self.app.extensions["countinghouse"] = replace(wiring(), pace=Impatient())

    @property
    def stripe(self) -> StripeClient:
        """Stripe, to do something behind our back."""
        return wiring().stripe_client

    def control(self, path: str, body: dict[str, Any]) -> None:
        """Use a control of the sandbox."""
        answer = self.http.post(f"{self.base}/_sandbox/{path}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text

    def advance_to(self, moment: datetime) -> None:
        """Let time pass."""
        self.control("clock", {"advance_to": moment.timestamp()})

    def fail(self, kind: str, times: int) -> None:
        """Make the next calls about meter events fail."""
        self.control("faults", {"match": "POST /v1/billing/meter_event", "kind": kind, "times": times})

    def forgive(self) -> None:
        """No more failures."""
        answer = self.http.delete(f"{self.base}/_sandbox/faults", timeout=60)
        assert answer.status_code == 200


def sync_all(tenant_id: int | None = None) -> None:
    """One run of the meter sync, of all tenants or of one, to its end or its death."""
    run_id = None
    try:
        with unit_of_work() as session:
            run_id, _ = sync_runs.request_sync(session, started_by="test", now=now(), tenant_id=tenant_id)
        sync_meters(run_id)
    except Killed:
        if run_id is not None:
            with unit_of_work() as session:
                sync_runs.finish_run(session, run_id, "killed", now())


@dataclass
class Life:
    """One tenant with a monthly subscription, and all that is done to it."""

    world: World
    tenant_id: int
    customer_id: str
    subscription_id: str
    start: datetime
    end: datetime

    @classmethod
    def begin(cls, world: World) -> Life:
        """A tenant that subscribed just now."""
        with unit_of_work() as session:
            tenant_id = make_tenant(session, now=now()).id
            prices = prices_of_plan(session, "starter", "monthly", wiring().pins)
        assert prices is not None
        v1 = world.stripe.v1
        customer = v1.customers.create({"metadata": {"tenant_id": str(tenant_id)}})
        give_card(world.stripe, customer.id, VISA)
        items = [{"price": prices[0], "quantity": 1}, *({"price": price} for price in prices[1])]
        subscription = v1.subscriptions.create({"customer": customer.id, "items": items})  # type: ignore[typeddict-item]
        with unit_of_work() as session:
            session.get_one(Tenant, tenant_id).stripe_customer_id = customer.id
        life = cls(world, tenant_id, customer.id, subscription.id, now(), now())
        life.mirror()
        item = subscription["items"].data[0]
        life.start = datetime.fromtimestamp(item.current_period_start, UTC)
        life.end = datetime.fromtimestamp(item.current_period_end, UTC)
        return life

    def mirror(self) -> None:
        """Hear of the subscription, as its webhooks would have us do."""
        parts = wiring()
        whole = read_whole(parts.billing, self.subscription_id)
        assert whole is not None
        with unit_of_work() as session:
            assert apply_whole(session, parts.pins, whole, now())

    def mirror_invoice(self) -> None:
        """Hear of the latest invoice."""
        latest = self.world.stripe.v1.subscriptions.retrieve(self.subscription_id).latest_invoice
        invoice = wiring().billing.fetch_invoice(str(latest))
        assert invoice is not None
        with unit_of_work() as session:
            assert sync_invoice(session, invoice, now())

    def record(self, usage_type: str, quantity: int, ago: timedelta) -> None:
        """Record an action that happened a while ago, but not before the subscription."""
        moment = max(now() - ago, self.start)
        if usage_type == "STORAGE_USED_MB" and self.end.replace(second=0) <= moment < self.end:
            # Meters are asked by the minute: which side a reading of that minute is on, they cannot say.
            moment -= timedelta(minutes=1)
        body = {
            "usage_type": usage_type,
            "quantity": quantity,
            "idempotency_key": f"fault-{next(_numbers)}",
            "occurred_at": moment.isoformat(),
        }
        with unit_of_work() as session:
            record_usage(session, self.tenant_id, parse_usage(body, now()), source="test", now=now())

    def correct(self, which: int) -> None:
        """Take back one of the actions that can be."""
        taken_back = select(UsageEvent.corrects_id).where(
            UsageEvent.tenant_id == self.tenant_id, UsageEvent.corrects_id.is_not(None)
        )
        with unit_of_work() as session:
            ids = session.scalars(
                select(UsageEvent.id)
                .where(
                    UsageEvent.tenant_id == self.tenant_id,
                    UsageEvent.corrects_id.is_(None),
                    UsageEvent.usage_type != "STORAGE_USED_MB",
                    UsageEvent.id.not_in(taken_back),
                )
                .order_by(UsageEvent.id)
            ).all()
            if ids:
                reverse_usage(session, self.tenant_id, ids[which % len(ids)], source="test", now=now())

    def sync(self) -> None:
        """One run of the meter sync of this tenant, to its end or its death."""
        sync_all(self.tenant_id)

    def batch(self, which: int) -> MeterEvent | None:
        """One of the batches that Stripe took within a day."""
        with unit_of_work() as session:
            rows = session.scalars(
                select(MeterEvent)
                .where(
                    MeterEvent.tenant_id == self.tenant_id,
                    MeterEvent.state == "sent",
                    MeterEvent.sent_at > now() - timedelta(hours=20),
                )
                .order_by(MeterEvent.id)
            ).all()
            session.expunge_all()
        return rows[which % len(rows)] if rows else None

    def lose(self, batch: MeterEvent) -> None:
        """Stripe loses a batch that it took."""
        try:
            self.world.stripe.v1.billing.meter_event_adjustments.create(
                {"event_name": batch.event_name, "type": "cancel", "cancel": {"identifier": batch.identifier}}
            )
        except InvalidRequestError as error:
            assert "24 hours" in str(error)  # noqa: PT017 (nothing else may be refused)

    def deliver(self, batch: MeterEvent, identifier: str) -> None:
        """Somebody sends a batch once more."""
        try:
            self.world.stripe.v1.billing.meter_events.create(
                {
                    "event_name": batch.event_name,
                    "payload": batch.payload,
                    "identifier": identifier,
                    "timestamp": int(batch.timestamp.timestamp()),
                }
            )
        except InvalidRequestError as error:
            assert "already exists" in str(error)  # noqa: PT017 (nothing else may be refused)

    def ledger(self, usage_type: str, start: datetime, end: datetime) -> int:
        """What the ledger's own rows come to."""
        rows = select(UsageEvent.quantity).where(
            UsageEvent.tenant_id == self.tenant_id,
            UsageEvent.usage_type == usage_type,
            UsageEvent.occurred_at >= start,
            UsageEvent.occurred_at < end,
        )
        with unit_of_work() as session:
            if usage_type == "STORAGE_USED_MB":
                order = rows.order_by(UsageEvent.occurred_at.desc(), UsageEvent.quantity.desc())
                return session.scalars(order.limit(1)).first() or 0
            return int(session.scalar(select(func.sum(rows.subquery().c.quantity))) or 0)

    def at_stripe(self, usage_type: str, start: datetime, end: datetime) -> int:
        """What Stripe's meter counts, asked for the whole period at once."""
        with unit_of_work() as session:
            meter = session.get_one(CatalogMeter, usage_type).meter_id
        span = {
            "customer": self.customer_id,
            "start_time": int(start.timestamp()) // 60 * 60,
            "end_time": int(end.timestamp()) // 60 * 60,
        }
        rows = self.world.stripe.v1.billing.meters.event_summaries.list(meter, span).data  # type: ignore[arg-type]
        return int(rows[0].aggregated_value) if rows else 0

    def invoiced(self) -> dict[str, int]:
        """What the lines of the last invoice bill, by usage type."""
        v1 = self.world.stripe.v1
        latest = v1.invoices.retrieve(str(v1.subscriptions.retrieve(self.subscription_id).latest_invoice))
        assert latest.billing_reason == "subscription_cycle"
        lines = list(v1.invoices.line_items.list(latest.id or "", {"limit": 100}).auto_paging_iter())
        prices = [
            str(line.pricing.price_details.price) for line in lines if line.pricing and line.pricing.price_details
        ]
        with unit_of_work() as session:
            names = usage_types_of_prices(session, set(prices))
        found = dict.fromkeys(TYPES, 0)
        for line, price in zip(lines, prices, strict=True):
            if names.get(price) in found:
                found[names[price]] += line.quantity or 0
        return found

    def leave(self) -> None:
        """End the subscription: the next world's time passes without it."""
        self.world.stripe.v1.subscriptions.cancel(self.subscription_id)
