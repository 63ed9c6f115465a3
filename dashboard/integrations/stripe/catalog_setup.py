"""`flask stripe setup`: the catalogue file, Stripe and our tables brought in step; shown first, then done.

Everything is found by a key of ours (product id, lookup key, event name, metadata), so a second run does nothing, and
a run after one that failed half-way goes on where that one stopped. Nothing is deleted at Stripe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session
from stripe import StripeClient

from dashboard.billing.plans.catalog import Catalog
from dashboard.billing.plans.plans import PricePins, catalog
from dashboard.integrations.stripe.client import domain_errors
from dashboard.integrations.stripe.setup.destination import EventDestinations
from dashboard.integrations.stripe.setup.endpoint import WebhookEndpoints
from dashboard.integrations.stripe.setup.features import plan_features, plan_links
from dashboard.integrations.stripe.setup.meters import plan_meters
from dashboard.integrations.stripe.setup.portal import plan_portal
from dashboard.integrations.stripe.setup.price_specs import PriceSpec, price_specs
from dashboard.integrations.stripe.setup.prices import plan_prices
from dashboard.integrations.stripe.setup.products import archive_products, plan_products
from dashboard.integrations.stripe.setup.receivers import NewSecret, in_order, plan_receivers
from dashboard.integrations.stripe.setup.steps import Found, SetupImpossible, Step
from dashboard.integrations.stripe.setup.stock import take_stock
from dashboard.integrations.stripe.setup.tables import plan_tables

__all__ = ["EnvironmentLine", "Setup", "SetupImpossible", "plan_setup", "set_up_catalog", "set_up_webhook"]


@dataclass(frozen=True, slots=True)
class EnvironmentLine:
    """One variable to put into the environment."""

    name: str
    value: str


@dataclass(slots=True)
class Setup:
    """What is to be done, in the order in which it can be done, and what was found or made on the way."""

    client: StripeClient
    catalog: Catalog
    specs: list[PriceSpec]
    found: Found
    steps: list[Step] = field(default_factory=list)
    new_secrets: list[NewSecret] = field(default_factory=list)
    known_secrets: Sequence[str] = ()

    @property
    def changes(self) -> list[Step]:
        """The steps that do something."""
        return [step for step in self.steps if step.is_change]

    @property
    def problems(self) -> list[Step]:
        """What is not as the catalogue says: every change that is due, and what only the operator can mend."""
        return [step for step in self.steps if step.is_change or step.problem]

    def run(self) -> None:
        """Do every step, one call to Stripe after the other.

        Raises `ProviderRefused`, `ProviderUnavailable`; what was done by then is found again by the next run.
        """
        for step in self.changes:
            if step.run:
                with domain_errors():
                    step.run()

    def lines(self) -> list[EnvironmentLine]:
        """The environment's lines. A new endpoint's secret stands before those that are still in use."""
        meters = [(kind.meter_setting, self.found.meters[kind.name].id) for kind in self.catalog.metered]
        prices = [(spec.setting, self.found.prices[spec.lookup_key].id) for spec in self.specs if spec.setting]
        lines = [EnvironmentLine(name or "", value) for name, value in [*meters, *prices]]
        if self.new_secrets:
            lines.append(EnvironmentLine("STRIPE_WEBHOOK_SECRET", in_order(self.new_secrets, self.known_secrets)))
        return lines

    def hand_over(self) -> None:
        """Call this when the lines are where they belong: webhook secrets are told only once.

        Raises `ProviderRefused`, `ProviderUnavailable`.
        """
        for each in self.new_secrets:
            with domain_errors():
                each.hand_over()


def plan_setup(
    session: Session,
    client: StripeClient,
    pins: PricePins,
    *,
    webhook_url: str | None = None,
    known_secrets: Sequence[str] = (),
) -> Setup:
    """Compare the catalogue with Stripe and our tables, and change nothing.

    With `webhook_url` the webhook endpoint and the event destination are compared too; `known_secrets` are those that
    the environment has.
    Raises `SetupImpossible`, `ProviderRefused`, `ProviderUnavailable`.
    """
    wanted, found = catalog(), Found()
    specs = price_specs(wanted, pins)
    setup = Setup(client, wanted, specs, found, known_secrets=known_secrets)
    with domain_errors():
        stock = take_stock(client, [spec.lookup_key for spec in specs], [spec.pinned for spec in specs if spec.pinned])
        setup.steps += plan_meters(client, wanted, stock, pins.meters, found)
        setup.steps += plan_products(client, wanted, stock)
        setup.steps += plan_prices(client, specs, stock, found)
        follows_change = any(step.kind in {"meter", "price"} for step in setup.changes)
        setup.steps += plan_features(client, wanted, stock, found)
        setup.steps += plan_links(client, wanted, stock, found)
        setup.steps += archive_products(client, wanted, stock)
        setup.steps.append(plan_portal(client))
        setup.steps.append(plan_tables(session, wanted, specs, found, follows_change=follows_change))
        if webhook_url:
            setup.steps += _plan_receivers(client, webhook_url, known_secrets, setup.new_secrets)
    return setup


def _plan_receivers(client: StripeClient, url: str, known: Sequence[str], new: list[NewSecret]) -> list[Step]:
    return [
        step
        for places in (WebhookEndpoints(client), EventDestinations(client))
        for step in plan_receivers(places, url, known, new)
    ]


def set_up_catalog(session: Session, client: StripeClient, pins: PricePins) -> list[EnvironmentLine]:
    """Bring the catalogue to Stripe and into our tables. Answers the ids as environment lines.

    Raises `SetupImpossible`, `ProviderRefused`, `ProviderUnavailable`.
    """
    setup = plan_setup(session, client, pins)
    setup.run()
    return setup.lines()


def set_up_webhook(client: StripeClient, url: str, known_secrets: Sequence[str] = ()) -> EnvironmentLine | None:
    """Register our webhook endpoint and our event destination. Their secrets can be read only now; `known_secrets` are
    those that the environment has. None when both were registered before.

    Raises `ProviderRefused`, `ProviderUnavailable`.
    """
    new: list[NewSecret] = []
    with domain_errors():
        for step in _plan_receivers(client, url, known_secrets, new):
            if step.run:
                step.run()
        for each in new:
            each.hand_over()
    if not new:
        return None
    return EnvironmentLine("STRIPE_WEBHOOK_SECRET", in_order(new, known_secrets))
