"""One Stripe client for the process, and its errors in the domain's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import stripe
from stripe import StripeClient

from dashboard.billing.ports import ProviderRefused, ProviderUnavailable
from dashboard.config import Settings

T = TypeVar("T")
API_VERSION: Final = "2026-10-28.endive"


def build_client(settings: Settings) -> StripeClient:
    """A client of the pinned API version, with time-outs, pointed at the sandbox where the settings say so."""
    base = settings.stripe_api_base
    return StripeClient(
        settings.stripe_secret_key.get_secret_value(),
        stripe_version=API_VERSION,
        max_network_retries=2,
        http_client=stripe.RequestsClient(timeout=20),
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
        raise ProviderRefused(error.user_message or str(error), error.param) from error
    except stripe.StripeError as error:
        raise ProviderUnavailable(f"Stripe: {error.user_message or error}") from error


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
