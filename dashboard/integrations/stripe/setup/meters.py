"""Meters: made once, and never changed but for their name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from stripe import StripeClient
from stripe.billing import Meter

from dashboard.billing.plans.catalog import Catalog, MeterDefinition
from dashboard.integrations.stripe.setup.steps import Action, Found, SetupImpossible, Step, changed, differences
from dashboard.integrations.stripe.setup.stock import Stock

if TYPE_CHECKING:
    from stripe.params.billing import MeterCreateParams


def plan_meters(
    client: StripeClient, catalog: Catalog, stock: Stock, pinned: Mapping[str, str], found: Found
) -> Iterator[Step]:
    """A step for each meter of the catalogue. One that left it is let be: older prices may still count by it.

    `pinned` maps usage types to meter ids of the environment; such a meter is taken as it is.
    Raises `SetupImpossible`.
    """
    for name, wanted in catalog.meters.items():
        meter = _find(stock, wanted, pinned.get(name))
        if meter is not None:
            _check(wanted, meter)
            found.meters[name] = meter
        yield _step(client, wanted, meter, found)


def _find(stock: Stock, wanted: MeterDefinition, pinned: str | None) -> Meter | None:
    if pinned:
        meter = next((each for each in stock.meters if each.id == pinned), None)
        if meter is None:
            raise SetupImpossible(f"{wanted.usage_type.meter_setting}: Stripe has no meter {pinned}")
        return meter
    same = [each for each in stock.meters if each.event_name == wanted.event_name]
    # An active meter, else the newest that was deactivated.
    return max(same, key=lambda each: (each.status == "active", each.created), default=None)


def _check(wanted: MeterDefinition, meter: Meter) -> None:
    differing = differences(
        [
            ("aggregation", meter.default_aggregation.formula, wanted.formula),
            ("window", meter.event_time_window, wanted.window),
        ]
    )
    if differing:
        raise SetupImpossible(
            f"meters.{wanted.usage_type.name}: {differing}, but Stripe's meter {meter.id} cannot be changed; "
            "give the catalogue another event_name, and a new meter is made"
        )


def _step(client: StripeClient, wanted: MeterDefinition, meter: Meter | None, found: Found) -> Step:
    meters, name = client.v1.billing.meters, wanted.usage_type.name
    if meter is None:

        def create() -> None:
            found.meters[name] = meters.create(_params(wanted))

        return Step(Action.CREATE, "meter", wanted.event_name, f"{wanted.formula} of {wanted.name}", create)
    if meter.event_name != wanted.event_name:
        return Step(Action.KEEP, "meter", wanted.event_name, f"{meter.id}, pinned by {wanted.usage_type.meter_setting}")
    detail = differences([("status", meter.status, "active"), ("display_name", meter.display_name, wanted.name)])

    def change() -> None:
        if meter.status != "active":
            meters.reactivate(meter.id)
        found.meters[name] = meters.update(meter.id, {"display_name": wanted.name})

    return changed("meter", wanted.event_name, detail, change)


def _params(wanted: MeterDefinition) -> MeterCreateParams:
    params: MeterCreateParams = {
        "display_name": wanted.name,
        "event_name": wanted.event_name,
        "default_aggregation": {"formula": "last" if wanted.usage_type.is_level else "sum"},
        "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
        "value_settings": {"event_payload_key": "value"},
    }
    if wanted.window:
        params["event_time_window"] = wanted.window
    return params
