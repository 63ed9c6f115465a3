"""One Stripe client for the process, and its errors in the domain's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import stripe
from stripe import StripeClient

from dashboard.billing.errors import IdempotencyConflict
from dashboard.billing.ports.providers import PriceNotOnSale, ProviderBusy, ProviderRefused, ProviderUnavailable
from dashboard.config import Settings
from dashboard.integrations.stripe.kept_connections import NotSent, fast_client

T = TypeVar("T")

API_VERSION: Final = "2026-10-28.endive"


def build_client(settings: Settings, *, timeout: float = 20, retries: int = 2) -> StripeClient:
    """A client of the pinned API version, pointed at the sandbox where the settings say so.

    `timeout` is the seconds that Stripe has for an answer, `retries` how often it is asked again.
    """
    key = settings.stripe_secret_key.get_secret_value()
    return _client(settings, key, fast_client(timeout), retries=retries)


def build_meter_client(settings: Settings, key: str | None = None) -> StripeClient:
    """The same for meter events, which are many and whose sender tries again by itself; `key` is a session's token."""
    return _client(settings, key or settings.stripe_secret_key.get_secret_value(), fast_client(), retries=0)


def _client(settings: Settings, key: str, http: stripe.HTTPClient, *, retries: int) -> StripeClient:
    base = settings.stripe_api_base
    return StripeClient(
        key,
        stripe_version=API_VERSION,
        max_network_retries=retries,
        http_client=http,
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
        raise kind(error.user_message or str(error), error.param, error.code) from error
    except stripe.RateLimitError as error:
        raise ProviderBusy(
            f"Stripe: {error.user_message or error}",
            retry_after=_retry_after(error),
            is_for_all=_code_in(error) != "lock_timeout",
        ) from error
    except stripe.StripeError as error:
        is_untaken = isinstance(error, NotSent | stripe.AuthenticationError | stripe.TemporarySessionExpiredError)
        raise ProviderUnavailable(f"Stripe: {error.user_message or error}", is_untaken=is_untaken) from error


def _retry_after(error: stripe.StripeError) -> float | None:
    """The seconds of the Retry-After header; its other form, a date, is not used by Stripe."""
    given = str(dict(error.headers or {}).get("retry-after", "") or dict(error.headers or {}).get("Retry-After", ""))
    return float(given) if given.replace(".", "", 1).isdigit() else None


def _code_in(error: stripe.StripeError) -> str | None:
    """The code in the body of an error: the SDK keeps none for a rate limit."""
    body = error.json_body
    found = body.get("error") if isinstance(body, dict) else None
    return found.get("code") if isinstance(found, dict) else None


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
