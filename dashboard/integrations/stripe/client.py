"""One Stripe client for the process, and its errors in the domain's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import stripe
from stripe import StripeClient

from dashboard.billing.errors import IdempotencyConflict
from dashboard.billing.ports import PriceNotOnSale, ProviderRefused, ProviderUnavailable
from dashboard.config import Settings

T = TypeVar("T")

API_VERSION: Final = "2026-10-28.endive"


def build_client(settings: Settings, *, timeout: float = 20, retries: int = 2) -> StripeClient:
    """A client of the pinned API version, pointed at the sandbox where the settings say so.

    `timeout` is the seconds that Stripe has for an answer, `retries` how often it is asked again.
    """
    base = settings.stripe_api_base
    return StripeClient(
        settings.stripe_secret_key.get_secret_value(),
        stripe_version=API_VERSION,
        max_network_retries=retries,
        http_client=stripe.RequestsClient(timeout=timeout),
        base_addresses={"api": base, "files": base, "connect": base, "meter_events": base} if base else None,
    )


@contextmanager
def domain_errors() -> Iterator[None]:
    """Turn the SDK's errors into `ProviderRefused` (never again) and `ProviderUnavailable` (try again).

    A wrong key is "unavailable" on purpose: the operator mends it, and the work that waits must not be given up.
    """
    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        kind = PriceNotOnSale if _is_about_a_price_off_sale(error) else ProviderRefused
        raise kind(error.user_message or str(error), error.param) from error
    except stripe.StripeError as error:
        raise ProviderUnavailable(f"Stripe: {error.user_message or error}") from error


def _is_about_a_price_off_sale(error: stripe.StripeError) -> bool:
    """Whether Stripe refused a price because it was archived or is gone.

    In doubt: Stripe has no error code for an archived price; its words are "The price specified is inactive".
    """
    if not isinstance(error, stripe.InvalidRequestError):
        return False
    return "inactive" in str(error) if error.code != "resource_missing" else "price" in (error.param or str(error))


def is_missing(error: ProviderRefused) -> bool:
    """Whether Stripe refused because there is no such object."""
    cause = error.__cause__
    return isinstance(cause, stripe.InvalidRequestError) and cause.code == "resource_missing"


def if_there(fetch: Callable[[], T]) -> T | None:
    """What was fetched, or None when Stripe has no such object."""
    try:
        with domain_errors():
            return fetch()
    except ProviderRefused as refusal:
        if is_missing(refusal):
            return None
        raise


@contextmanager
def keyed(key: str) -> Iterator[None]:
    """`domain_errors` for a call with an idempotency key.

    Raises `IdempotencyConflict` besides: Stripe had this key with another body.
    """
    try:
        with domain_errors():
            yield
    except ProviderUnavailable as error:
        if isinstance(error.__cause__, stripe.IdempotencyError):
            raise IdempotencyConflict(key) from error
        raise
