"""Signatures of outgoing webhooks, by the Standard Webhooks scheme (standardwebhooks.com, symmetric, `v1`).

An endpoint's secret is not stored: it is derived from the installation's signing key and the endpoint's salt, so that
a copy of the database alone forges nothing.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64encode
from hashlib import sha256

PREFIX = "whsec_"


def new_salt() -> bytes:
    """Random bytes that make an endpoint's secret its own."""
    return secrets.token_bytes(24)


def derive_secret(signing_key: bytes, salt: bytes) -> bytes:
    """The 32 bytes an endpoint's webhooks are signed with."""
    return hmac.digest(signing_key, b"webhook endpoint:" + salt, sha256)


def check_of(secret: bytes) -> bytes:
    """A few bytes that tell whether a derived secret is the one the tenant was shown."""
    return sha256(b"check:" + secret).digest()[:8]


def show_secret(secret: bytes) -> str:
    """The secret as a tenant's library takes it: whsec_<base64>."""
    return PREFIX + b64encode(secret).decode()


def sign(secret: bytes, message_id: str, timestamp: int, body: str) -> dict[str, str]:
    """The three headers of one request. `timestamp` is Unix seconds."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    signature = b64encode(hmac.digest(secret, content, sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
