"""A tenant's saved payment methods: read, made the default, removed. They are kept by Stripe, never here."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.billing.errors import NotFound, NotNow
from dashboard.billing.ports.subscriptions import CardFacts
from dashboard.billing.subscriptions.billing_desk import Desk, current_subscription
from dashboard.billing.subscriptions.subscriptions import live_subscriptions
from dashboard.models import Tenant

BRANDS = {"visa": "Visa", "mastercard": "Mastercard", "amex": "American Express"}


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A saved payment method as pages show it."""

    facts: CardFacts
    is_default: bool

    @property
    def id(self) -> str:
        """Its id at Stripe."""
        return self.facts.id

    @property
    def label(self) -> str:
        """Such as "Visa ending in 4242"."""
        name = BRANDS.get(self.facts.brand or "", (self.facts.brand or self.facts.kind).replace("_", " ").capitalize())
        return f"{name} ending in {self.facts.last4}" if self.facts.last4 else name


def list_payment_methods(desk: Desk) -> list[PaymentMethod]:
    """The tenant's payment methods, newest first; none for a tenant that never bought anything."""
    customer_id = _customer(desk)
    if customer_id is None:
        return []
    found = current_subscription(desk.session, desk.tenant_id)
    methods, default = desk.provider.list_payment_methods(customer_id, found.id if found else None)
    return [PaymentMethod(each, each.id == default) for each in methods]


def make_default(desk: Desk, method_id: str) -> PaymentMethod:
    """What invoices are charged to from now on; the live subscriptions' too.

    Raises `NotFound`, for another tenant's as for none.
    """
    method = _find(desk, method_id)
    subscriptions = [each.id for each in live_subscriptions(desk.session, desk.tenant_id)]
    desk.provider.make_default(method.facts.customer_id or "", method_id, subscriptions, key=desk.key_for("default"))
    return PaymentMethod(method.facts, is_default=True)


def remove_payment_method(desk: Desk, method_id: str) -> None:
    """Remove it for good.

    Raises `NotFound`, and `NotNow` for the default of a tenant with a subscription: its next invoice would fail.
    """
    method = _find(desk, method_id)
    if method.is_default and current_subscription(desk.session, desk.tenant_id) is not None:
        raise NotNow("This is what your subscription is paid with. Make another one the default first.")
    desk.provider.detach(method_id)


def _find(desk: Desk, method_id: str) -> PaymentMethod:
    found = next((each for each in list_payment_methods(desk) if each.id == method_id), None)
    if found is None:
        raise NotFound(f"no payment method {method_id}")
    return found


def _customer(desk: Desk) -> str | None:
    return desk.session.get_one(Tenant, desk.tenant_id).stripe_customer_id
