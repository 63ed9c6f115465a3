"""Is this webhook from Stripe? Verification of the raw body, for snapshot and thin events alike."""

from __future__ import annotations

import json
from typing import Any

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE = 300


class UnverifiedWebhook(ValueError):
    """The signature is missing, wrong or too old, or the signed body is no event."""


def verify_webhook(body: bytes, header: str | None, secret: str) -> dict[str, Any]:
    """The event as plain JSON. Snapshot and thin events are signed the same way.

    Raises `UnverifiedWebhook`.
    """
    if not header:
        raise UnverifiedWebhook("the Stripe-Signature header is missing")
    try:
        payload = body.decode()
        WebhookSignature.verify_header(payload, header, secret, TOLERANCE)
        event = json.loads(payload)
    except (SignatureVerificationError, ValueError) as error:
        raise UnverifiedWebhook("the signature does not match") from error
    if not isinstance(event, dict) or not isinstance(event.get("id"), str) or not isinstance(event.get("type"), str):
        raise UnverifiedWebhook("the body is no event")
    return event
