"""Is this webhook from Stripe? Verification of the raw body, for snapshot and thin events alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE = 300


class UnverifiedWebhook(ValueError):
    """The signature is missing, malformed, of no secret of ours, or too old; the message says which."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The body as text, and the number (from 1) of the secret that signed it."""

    text: str
    secret: int


def verify_webhook(body: bytes, header: str | None, secrets: Sequence[str]) -> Verified:
    """The body, if one of our secrets signed it within the last five minutes: the endpoint's, the event destination's,
    and during a roll those of the places before them.

    Raises `UnverifiedWebhook`.
    """
    if not header:
        raise UnverifiedWebhook("the Stripe-Signature header is missing")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise UnverifiedWebhook("the body is no UTF-8, so it was not signed by Stripe") from error
    if not header.isascii():
        raise UnverifiedWebhook(_explain("extract"))
    reason = ""
    for number, secret in enumerate(secrets, 1):
        try:
            WebhookSignature.verify_header(text, header, secret, TOLERANCE)
        except SignatureVerificationError as error:
            # Too old is what matters of several reasons: one of the secrets did match.
            if not reason or "Timestamp" in str(error):
                reason = _explain(str(error))
            continue
        return Verified(text, number)
    raise UnverifiedWebhook(reason)


def _explain(error: str) -> str:
    if "Timestamp" in error:
        return f"the signature is older than {TOLERANCE} seconds; check this server's clock"
    if "extract" in error:
        return "the header must have the form t=…,v1=…"
    return "the signature matches none of the secrets in STRIPE_WEBHOOK_SECRET"
