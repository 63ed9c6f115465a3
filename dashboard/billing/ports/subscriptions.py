"""What the life of a subscription needs from a billing provider: checkouts, changes, endings, payment methods.

All amounts are minor units of `currency`, all times aware UTC. Every call that changes something takes `key`, the
provider's idempotency key: the same key again does nothing and answers the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dashboard.billing.ports.providers import SubscriptionFacts


@dataclass(frozen=True, slots=True)
class LiveItem:
    """One item of a subscription, with the id by which it is changed."""

    id: str
    price_id: str
    is_metered: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class LiveSubscription:
    """A subscription as it is at this moment, with what a change of it has to know. `facts` go into our mirror.

    `checkout_id` names the setup checkout it was made from, where it was.
    """

    facts: SubscriptionFacts
    items: tuple[LiveItem, ...]
    schedule_id: str | None
    has_pending_update: bool
    pending_expires_at: datetime | None
    latest_invoice_id: str | None
    trial_end: datetime | None
    checkout_id: str | None

    @property
    def id(self) -> str:
        """Its id."""
        return self.facts.id

    @property
    def status(self) -> str:
        """Its status in the provider's words."""
        return self.facts.status


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One item as it is to be: another price for `item_id`, a new item (`item_id` None), or gone (`price_id` None)."""

    item_id: str | None
    price_id: str | None
    is_metered: bool = False


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """The prices that a schedule brings, and when."""

    schedule_id: str
    price_ids: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One line of an invoice that does not exist yet."""

    description: str
    quantity: int | None
    amount: int
    period_start: datetime
    period_end: datetime
    proration: bool
    price_id: str | None


@dataclass(frozen=True, slots=True)
class InvoicePreview:
    """An invoice that does not exist yet. `amount_due` is what is charged after the customer's balance."""

    currency: str
    subtotal: int
    tax: int
    total: int
    amount_due: int
    due_at: datetime
    lines: tuple[PreviewLine, ...]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """A saved payment method. `brand` to `exp_year` are None for what is no card."""

    id: str
    customer_id: str | None
    kind: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None


@dataclass(frozen=True, slots=True)
class PromotionFacts:
    """A promotion code. `customer_id` is whose it is, None for everybody's; `currency` that of an amount it takes off.

    `minimum` is the least that is to be bought, in minor units; `product_ids` None means any product.
    """

    id: str
    is_active: bool
    customer_id: str | None
    expires_at: datetime | None
    is_first_only: bool
    currency: str | None
    minimum: int | None
    product_ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class NewCheckout:
    """What a hosted checkout is to offer. `price_ids`: the base price first, then the metered ones."""

    tenant_id: int
    customer_id: str
    plan: str
    interval: str
    mode: str
    price_ids: tuple[str, ...]
    trial_days: int
    currency: str
    success_url: str
    cancel_url: str
    promotion_id: str | None


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """A checkout that keeps a card: how far it is, and the card once it is complete."""

    id: str
    status: str
    mode: str
    url: str | None
    customer_id: str | None
    subscription_id: str | None
    payment_method_id: str | None
    promotion_id: str | None


class SubscriptionProvider(Protocol):
    """The life of subscriptions at the provider. Raises `ProviderRefused` and `ProviderUnavailable`."""

    def find_promotions(self, code: str) -> list[PromotionFacts]:
        """Those of this name, which is written without regard to case; the ones that are over too."""

    def open_checkout(self, wanted: NewCheckout, *, key: str) -> SetupFacts: ...
    def read_checkout(self, session_id: str) -> SetupFacts | None: ...
    def expire_checkout(self, session_id: str) -> None:
        """Close it; one that is over already stays as it is."""

    def create_subscription(self, wanted: NewCheckout, *, checkout_id: str, payment_method_id: str) -> LiveSubscription:
        """The subscription of a setup checkout; the checkout's id is its idempotency key."""

    def read_subscription(self, subscription_id: str) -> LiveSubscription | None: ...
    def list_subscriptions(self, customer_id: str, *, with_ended: bool = False) -> list[LiveSubscription]:
        """A customer's, newest first; those that are over only `with_ended`."""

    def preview_change(self, subscription_id: str, items: list[ItemChange], at: datetime) -> InvoicePreview | None: ...
    def preview_next(self, subscription_id: str) -> InvoicePreview | None: ...
    def preview_end(self, subscription_id: str) -> InvoicePreview | None: ...
    def change_items(
        self, subscription_id: str, items: list[ItemChange], at: datetime, *, prorates: bool, key: str
    ) -> LiveSubscription: ...
    def schedule_prices(
        self, live: LiveSubscription, prices: list[ItemChange], at: datetime, *, key: str
    ) -> ScheduledChange: ...
    def read_schedule(self, schedule_id: str) -> ScheduledChange | None: ...
    def subscription_of_schedule(self, schedule_id: str) -> str | None:
        """The id of the subscription that a schedule steers, or steered until it was released."""

    def release_schedule(self, schedule_id: str, *, key: str) -> None: ...
    def end_at_period_end(self, subscription_id: str, *, key: str) -> LiveSubscription: ...
    def end_now(self, subscription_id: str, *, key: str) -> LiveSubscription: ...
    def take_back_end(self, subscription_id: str, *, key: str) -> LiveSubscription: ...
    def pause_subscription(self, subscription_id: str, *, key: str) -> LiveSubscription: ...
    def resume_subscription(self, subscription_id: str, *, key: str) -> LiveSubscription: ...
    def open_portal(
        self, customer_id: str, *, return_url: str, flow: str | None, subscription_id: str | None, key: str
    ) -> str: ...
    def list_payment_methods(self, customer_id: str, subscription_id: str | None) -> tuple[list[CardFacts], str | None]:
        """The customer's payment methods, newest first, and the id of the one that this subscription is charged to."""

    def make_default(self, customer_id: str, method_id: str, subscription_ids: list[str], *, key: str) -> None: ...
    def detach(self, method_id: str) -> None: ...
