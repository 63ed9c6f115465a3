"""Is this callback from Twilio? HMAC over the public URL and the sorted parameters."""

from __future__ import annotations

from collections.abc import Mapping

from twilio.request_validator import RequestValidator


def is_from_twilio(url: str, parameters: Mapping[str, str], signature: str | None, auth_token: str) -> bool:
    """Whether the `X-Twilio-Signature` header fits. `url` is the public one: behind a proxy the scheme matters."""
    if not signature:
        return False
    return bool(RequestValidator(auth_token).validate(url, dict(parameters), signature))
