"""What the domain needs from a billing provider and a telephony provider, as protocols and plain facts.

All amounts are minor units of `currency`, all times aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from dashboard.billing.ports_events import EventProvider


class ProviderUnavailable(Exception):
    """The provider did not answer, or asked to be called later: try again."""


class ProviderRefused(Exception):
    """The provider refused for good; the message is its reason. `param` names the field where it told one."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """A customer as the provider has it."""

    id: str
    tenant_id: int | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item of a subscription and its current period."""

    price_id: str
    interval: str
    is_metered: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription as the provider has it."""

    id: str
    customer_id: str
    status: str
    items: tuple[ItemFacts, ...]
    cancel_at: datetime | None
    ended_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class InvoiceLineFacts:
    """One line of an invoice."""

    id: str
    description: str | None
    price_id: str | None
    quantity: int | None
    unit_amount_decimal: Decimal | None
    amount: int
    period_start: datetime
    period_end: datetime
    proration: bool


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice as the provider has it, all its lines included."""

    id: str
    customer_id: str
    number: str | None
    status: str
    billing_reason: str | None
    subscription_id: str | None
    currency: str
    subtotal: int
    tax: int
    total: int
    amount_due: int
    amount_paid: int
    amount_remaining: int
    customer_name: str | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    period_start: datetime
    period_end: datetime
    created_at: datetime
    due_at: datetime | None
    finalized_at: datetime | None
    paid_at: datetime | None
    payment_attempts: int
    lines: tuple[InvoiceLineFacts, ...]


@dataclass(frozen=True, slots=True)
class CheckoutFacts:
    """A hosted checkout: where to send the browser, and what came of it."""

    id: str
    url: str | None
    status: str
    customer_id: str | None
    subscription_id: str | None


class MeterSender(Protocol):
    """Sends meter events."""

    def send_meter_event(
        self, *, event_name: str, payload: Mapping[str, str], identifier: str, timestamp: datetime
    ) -> bool:
        """Send one event; True when it is new, False when the provider had it already (both are delivery).

        Raises `ProviderRefused` (never try again) or `ProviderUnavailable` (try again).
        """


class BillingProvider(MeterSender, EventProvider, Protocol):
    """Customers, checkout and the objects we mirror."""

    def fetch_customer(self, customer_id: str) -> CustomerFacts | None: ...
    def fetch_subscription(self, subscription_id: str) -> SubscriptionFacts | None: ...
    def fetch_invoice(self, invoice_id: str) -> InvoiceFacts | None: ...
    def fetch_checkout(self, session_id: str) -> CheckoutFacts | None: ...
    def create_customer(self, *, tenant_id: int, name: str, email: str) -> str: ...
    def create_checkout(
        self,
        *,
        tenant_id: int,
        customer_id: str,
        base_price_id: str,
        metered_price_ids: list[str],
        success_url: str,
        cancel_url: str,
    ) -> CheckoutFacts: ...
    def create_portal(self, *, customer_id: str, return_url: str) -> str: ...


@dataclass(frozen=True, slots=True)
class TextFacts:
    """A text as the telephony provider has it. `error_code` is the provider's, where the text went wrong."""

    sid: str
    status: str
    segments: int
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class CallFacts:
    """A call as the telephony provider has it. `duration` is whole seconds, None before its end."""

    sid: str
    status: str
    duration: int | None
    ended_at: datetime | None


class TelephonyProvider(Protocol):
    """Sends texts and makes calls. A callback tells how each fares."""

    def send_text(self, *, to: str, from_: str, body: str, status_callback: str) -> TextFacts:
        """Raises `ProviderRefused` (not sent) or `ProviderUnavailable` (perhaps sent: its callback will tell)."""

    def fetch_text(self, sid: str) -> TextFacts:
        """The text as it is now."""

    def make_call(self, *, to: str, from_: str, url: str | None, twiml: str | None, status_callback: str) -> CallFacts:
        """Call, and follow the instructions at `url` or in `twiml` (one of them).

        Raises `ProviderRefused` (not called) or `ProviderUnavailable` (perhaps called: its callbacks will tell).
        """

    def fetch_call(self, sid: str) -> CallFacts:
        """The call as it is now."""
