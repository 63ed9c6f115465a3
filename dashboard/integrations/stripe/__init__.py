"""Stripe: gateway, signatures and what its webhooks mean."""

from __future__ import annotations

import sys


def _import_sdk() -> None:
    """Import the SDK without the libraries it looks for to ask Stripe by: 10 MB in every process, for clients not ours.

    It takes what it finds; what is asked for by name (`stripe.RequestsClient`) imports its library itself.
    """
    hidden = [name for name in ("aiohttp", "httpx", "requests") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import stripe  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]


_import_sdk()
