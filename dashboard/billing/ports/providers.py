"""The two providers whole, what can go wrong when they are asked, and facts that several ports share.

All amounts are minor units of `currency`, all times aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from dashboard.billing.ports.events import EventProvider
from dashboard.billing.ports.invoices import InvoiceProvider
from dashboard.billing.ports.meter_reading import MeterReader
from dashboard.billing.ports.proposals import ProposalProvider
from dashboard.billing.ports.subscriptions import SubscriptionProvider
from dashboard.billing.ports.telephony import TelephonyRecords


class ProviderUnavailable(Exception):
    """The provider did not answer, or asked to be called later: try again.

    `is_untaken` says that the call did surely nothing; else it may have been performed and its answer lost.
    """

    def __init__(self, message: str = "", *, is_untaken: bool = False) -> None:
        super().__init__(message)
        self.is_untaken = is_untaken


class ProviderBusy(ProviderUnavailable):
    """The provider was called too often (HTTP 429).

    `retry_after` is the seconds it asked to wait, None where it named none. `is_for_all` is false where
    only the object of this call is busy.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, is_for_all: bool = True) -> None:
        super().__init__(message, is_untaken=True)
        self.retry_after = retry_after
        self.is_for_all = is_for_all


class ProviderRefused(Exception):
    """The provider refused for good; the message is its reason.

    `param` names the field and `code` the kind of refusal, where the provider told them.
    """

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class PriceNotOnSale(ProviderRefused):
    """The provider refused a price that was archived or deleted there."""


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """A customer as the provider has it."""

    id: str
    tenant_id: int | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item of a subscription, its current period, and what its price tells of itself.

    `interval` is Stripe's word ("month"), of which one period has `interval_count`.
    """

    price_id: str
    interval: str
    is_metered: bool
    period_start: datetime
    period_end: datetime
    interval_count: int = 1
    product_id: str | None = None
    lookup_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


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


class BillingProvider(MeterReader, EventProvider, InvoiceProvider, ProposalProvider, SubscriptionProvider, Protocol):
    """Customers, checkout and the objects we mirror."""

    def fetch_customer(self, customer_id: str) -> CustomerFacts | None: ...
    def fetch_entitlements(self, customer_id: str) -> tuple[str, ...] | None:
        """The lookup keys of the features the customer is entitled to now, or None for an unknown customer."""

    def create_customer(self, *, tenant_id: int, name: str, email: str) -> str: ...
    def update_customer(self, customer_id: str, *, name: str, email: str) -> None:
        """Overwrite what invoices and receipts are addressed to."""


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


class TelephonyProvider(TelephonyRecords, Protocol):
    """Sends texts and makes calls. A callback tells how each fares. What it has of a day can be listed."""

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
