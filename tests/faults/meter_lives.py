"""Tenants with a monthly subscription, and what can happen to one between its ledger and Stripe's meters.

What all of them go through together (the beginning, hearing of subscriptions and invoices) is written for all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import select
from stripe import InvalidRequestError

from dashboard.billing.invoices.invoices import sync_invoices
from dashboard.billing.ledger.reversals import reverse_usage
from dashboard.billing.ledger.usage import record_usage
from dashboard.billing.ledger.usage_input import parse_usage
from dashboard.billing.mirror.mirror import hold_mirrors
from dashboard.billing.plans.plans import prices_of_plan, usage_types_of_prices
from dashboard.billing.ports.subscriptions import LiveSubscription
from dashboard.billing.subscriptions.subscription_outlooks import WholeSubscription, sync_wholes
from dashboard.integrations.stripe.subscription_translate import live_subscription
from dashboard.models import MeterEvent, UsageEvent
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import make_tenant
from tests.faults.meter_world import World, sync_all
from tests.sandbox.shop import VISA

TYPES = ("SMS_SENT", "CALL_DURATION_SECONDS", "AI_MESSAGE_GENERATED", "STORAGE_USED_MB")
_numbers = count(1)


@dataclass
class Life:
    """One tenant with a monthly subscription, and all that is done to it."""

    world: World
    tenant_id: int
    customer_id: str
    subscription_id: str
    start: datetime
    end: datetime
    # As it was when we heard of the subscription last.
    latest_invoice: str = ""
    # The identifiers of the batches that Stripe lost: it has them no more to lose.
    lost: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, world: World) -> Life:
        """A tenant that subscribed just now."""
        return begin_lives(world, 1)[0]

    def mirror(self) -> None:
        """Hear of the subscription, as its webhooks would have us do."""
        mirror_subscriptions([self])

    def mirror_invoice(self) -> None:
        """Hear of the latest invoice."""
        mirror_invoices([self])

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
        """Stripe loses a batch that it took, unless it did already."""
        if batch.identifier in self.lost:
            return
        self.lost.add(batch.identifier)
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

    def at_stripe(self, usage_type: str, start: datetime, end: datetime) -> int:
        """What Stripe's meter counts, asked for the whole period at once."""
        span = {
            "customer": self.customer_id,
            "start_time": int(start.timestamp()) // 60 * 60,
            "end_time": int(end.timestamp()) // 60 * 60,
        }
        meter = self.world.meters[usage_type]
        rows = self.world.stripe.v1.billing.meters.event_summaries.list(meter, span).data  # type: ignore[arg-type]
        return int(rows[0].aggregated_value) if rows else 0

    def leave(self) -> None:
        """End the subscription: the next world's time passes without it."""
        self.world.stripe.raw_request("delete", f"/v1/subscriptions/{self.subscription_id}")


def begin_lives(world: World, number: int) -> list[Life]:
    """So many tenants that subscribed just now."""
    with unit_of_work() as session:
        prices = prices_of_plan(session, "starter", "monthly", wiring().pins)
    assert prices is not None
    items = [{"price": prices[0], "quantity": 1}, *({"price": price} for price in prices[1])]
    v1 = world.stripe.v1
    begun = []
    for _ in range(number):
        card = {"payment_method": VISA, "invoice_settings": {"default_payment_method": VISA}}
        customer = v1.customers.create(card)  # type: ignore[arg-type]
        begun.append(live_subscription(v1.subscriptions.create({"customer": customer.id, "items": items})))  # type: ignore[typeddict-item]
    with unit_of_work() as session:
        tenants = [make_tenant(session, customer=live.facts.customer_id, now=now()).id for live in begun]
    _mirror(begun)
    return [
        Life(world, tenant_id, live.facts.customer_id, live.id, live.items[0].period_start, live.items[0].period_end)
        for tenant_id, live in zip(tenants, begun, strict=True)
    ]


def mirror_subscriptions(lives: Sequence[Life]) -> None:
    """Hear of the subscriptions, as their webhooks would have us do."""
    listed = lives[0].world.stripe.v1.subscriptions.list({"limit": 100}).auto_paging_iter()
    ours = {life.subscription_id: life for life in lives}
    found = [live_subscription(each) for each in listed if each.id in ours]
    assert len(found) == len(lives)
    for live in found:
        ours[live.id].latest_invoice = str(live.latest_invoice_id)
    _mirror(found)


def mirror_invoices(lives: Sequence[Life]) -> None:
    """Hear of the latest invoice of each subscription."""
    facts = [fetched for life in lives if (fetched := wiring().billing.fetch_invoice(life.latest_invoice))]
    assert len(facts) == len(lives)
    with unit_of_work() as session:
        mirror = hold_mirrors(session, {each.customer_id for each in facts}, now())
        sync_invoices(mirror, facts)
        mirror.finish()


def read_invoiced(life: Life) -> dict[str, int]:
    """What the lines of the latest invoice bill, by usage type."""
    listed = life.world.stripe.v1.invoices.line_items.list(life.latest_invoice, {"limit": 100})
    lines = list(listed.auto_paging_iter())
    prices = [str(line.pricing.price_details.price) for line in lines if line.pricing and line.pricing.price_details]
    with unit_of_work() as session:
        names = usage_types_of_prices(session, set(prices))
    found = dict.fromkeys(TYPES, 0)
    for line, price in zip(lines, prices, strict=True):
        if names.get(price) in found:
            found[names[price]] += line.quantity or 0
    return found


def _mirror(subscriptions: Sequence[LiveSubscription]) -> None:
    with unit_of_work() as session:
        mirror = hold_mirrors(session, {each.facts.customer_id for each in subscriptions}, now())
        sync_wholes(mirror, wiring().pins, [WholeSubscription(each, None) for each in subscriptions])
        mirror.finish()
