"""`flask stripe setup`: products, prices and meters of the plan catalogue at Stripe, found again or created.

Everything is found by a key of ours (product id, price lookup key, meter event name), so a second run creates
nothing. A price cannot be changed at Stripe: where the catalogue differs, a new one takes over the lookup key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import stripe
from sqlalchemy.orm import Session
from stripe import StripeClient

from dashboard.billing.plans import CURRENCY, INTERVALS, PLANS, PlanDefinition, PricePins, store_meter, store_price
from dashboard.billing.ports import ProviderRefused
from dashboard.billing.usage_types import METERED, USAGE_TYPES, UsageType
from dashboard.integrations.stripe.client import API_VERSION, domain_errors, is_missing
from dashboard.integrations.stripe.translate import id_of
from dashboard.models import CatalogPrice

if TYPE_CHECKING:
    from stripe.params import PriceCreateParams


@dataclass(frozen=True, slots=True)
class EnvironmentLine:
    """One variable to put into the environment."""

    name: str
    value: str


def set_up_catalog(session: Session, client: StripeClient, pins: PricePins) -> list[EnvironmentLine]:
    """Bring the catalogue to Stripe and into our tables. Answers the ids as environment lines.

    A meter or base price that the environment pins already is taken as it is.

    Raises `ProviderRefused`, `ProviderUnavailable`.
    """
    with domain_errors():
        found = {kind.name: _meter(client, kind, pins.meters.get(kind.name)) for kind in METERED}
    for kind in METERED:
        store_meter(session, kind, found[kind.name].id, found[kind.name].event_name)
    meters = {name: meter.id for name, meter in found.items()}
    lines = [EnvironmentLine(kind.meter_setting or "", meters[kind.name]) for kind in METERED]
    pinned = {plan_and_interval: price_id for price_id, plan_and_interval in pins.plans.items()}
    for plan in PLANS.values():
        product_id = _product(client, plan)
        for interval in INTERVALS:
            base = _base_price(client, plan, product_id, interval, pinned.get((plan.key, interval)))
            for row in (base, *_metered_prices(client, plan, product_id, interval, meters)):
                store_price(session, row)
                if row.usage_type is None:
                    name = f"STRIPE_PRICE_{plan.key.upper()}_{interval.upper()}"
                    lines.append(EnvironmentLine(name, row.price_id))
    return lines


def set_up_webhook(client: StripeClient, url: str) -> EnvironmentLine | None:
    """Register our webhook endpoint. Its secret can be read only now; None when it was registered before."""
    with domain_errors():
        listed = client.v1.webhook_endpoints.list({"limit": 100})
        if any(endpoint.url == url for endpoint in listed.auto_paging_iter()):
            return None
        endpoint = client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"], "api_version": API_VERSION})
    return EnvironmentLine("STRIPE_WEBHOOK_SECRET", endpoint.secret or "")


def _meter(client: StripeClient, kind: UsageType, pinned: str | None) -> stripe.billing.Meter:
    if pinned:
        return client.v1.billing.meters.retrieve(pinned)
    for meter in client.v1.billing.meters.list({"limit": 100, "status": "active"}).auto_paging_iter():
        if meter.event_name == kind.meter:
            return meter
    return client.v1.billing.meters.create(
        {
            "display_name": kind.label,
            "event_name": kind.meter or "",
            "default_aggregation": {"formula": "last" if kind.is_level else "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
    )


def _product(client: StripeClient, plan: PlanDefinition) -> str:
    product_id = f"countinghouse_{plan.key}"
    try:
        with domain_errors():
            return client.v1.products.retrieve(product_id).id
    except ProviderRefused as refusal:
        if not is_missing(refusal):
            raise
    with domain_errors():
        return client.v1.products.create(
            {"id": product_id, "name": f"Countinghouse {plan.name}", "metadata": {"plan": plan.key}}
        ).id


def _base_price(
    client: StripeClient, plan: PlanDefinition, product_id: str, interval: str, pinned: str | None
) -> CatalogPrice:
    wanted = {
        "product": product_id,
        "currency": CURRENCY,
        "unit_amount": plan.amount(interval),
        "recurring": {"interval": INTERVALS[interval], "usage_type": "licensed"},
        "lookup_key": f"{plan.key}_{interval}",
        "nickname": f"{plan.name}, {interval}",
        "metadata": {"plan": plan.key, "interval": interval},
    }
    with domain_errors():
        price = client.v1.prices.retrieve(pinned) if pinned else _price(client, wanted)
    return CatalogPrice(
        price_id=price.id,
        product_id=id_of(price.product) or product_id,
        plan=plan.key,
        interval=interval,
        currency=price.currency,
        unit_amount=price.unit_amount,
        active=True,
    )


def _metered_prices(
    client: StripeClient, plan: PlanDefinition, product_id: str, interval: str, meters: dict[str, str]
) -> Iterator[CatalogPrice]:
    """The metered prices are monthly, whatever the base is: usage of a yearly plan is billed month by month."""
    if interval != "monthly":
        return
    for name, (included, rate) in plan.allowances.items():
        yield _metered_price(client, plan, product_id, USAGE_TYPES[name], meters[name], included, rate)


def _metered_price(
    client: StripeClient,
    plan: PlanDefinition,
    product_id: str,
    kind: UsageType,
    meter_id: str,
    included: int,
    rate: Decimal,
) -> CatalogPrice:
    wanted = {
        "product": product_id,
        "currency": CURRENCY,
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [
            {"up_to": included, "unit_amount_decimal": "0"},
            {"up_to": "inf", "unit_amount_decimal": str(rate)},
        ],
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter_id},
        "lookup_key": f"{plan.key}_{kind.meter}",
        "nickname": f"{plan.name}, {kind.label}",
        "metadata": {"plan": plan.key, "usage_type": kind.name},
    }
    with domain_errors():
        price = _price(client, wanted)
    return CatalogPrice(
        price_id=price.id,
        product_id=product_id,
        plan=plan.key,
        interval="monthly",
        usage_type=kind.name,
        currency=CURRENCY,
        tiers=[
            {"up_to": included, "unit_amount_decimal": "0"},
            {"up_to": None, "unit_amount_decimal": str(rate)},
        ],
        active=True,
    )


def _price(client: StripeClient, wanted: dict[str, Any]) -> stripe.Price:
    listed = client.v1.prices.list({"lookup_keys": [wanted["lookup_key"]], "active": True, "expand": ["data.tiers"]})
    for price in listed.data:
        if _is_as_wanted(price, wanted):
            return price
    params = cast("PriceCreateParams", {**wanted, "transfer_lookup_key": True})
    return client.v1.prices.create(params)


def _is_as_wanted(price: stripe.Price, wanted: dict[str, Any]) -> bool:
    if price.currency != wanted["currency"] or price.unit_amount != wanted.get("unit_amount"):
        return False
    if (price.recurring.meter if price.recurring else None) != wanted["recurring"].get("meter"):
        return False
    tiers = [
        ("inf" if tier.up_to is None else tier.up_to, Decimal(tier.unit_amount_decimal or 0))
        for tier in price.tiers or []
    ]
    return tiers == [(tier["up_to"], Decimal(tier["unit_amount_decimal"])) for tier in wanted.get("tiers", [])]
