"""Receiving Countinghouse's webhooks: the signature of the Standard Webhooks scheme."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from countinghouse_client.errors import InvalidSignature

PREFIX = "whsec_"


def verify_webhook(
    body: bytes, headers: Mapping[str, str], secret: str, *, tolerance: float = 300, now: float | None = None
) -> dict[str, Any]:
    """The webhook's JSON, if Countinghouse signed these very bytes at most `tolerance` seconds ago.

    `body` is the request as it came, `secret` is `whsec_…` as shown where the endpoint was made, `now` a Unix time.
    The same webhook may come twice: its header `webhook-id` tells.

    Raises `InvalidSignature`, and `ValueError` for a secret that is none.
    """
    given = {name.lower(): value for name, value in headers.items()}
    identifier, sent = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not identifier or not sent.isascii() or not sent.isdigit():
        raise InvalidSignature("webhook-id or webhook-timestamp is missing")
    if abs((time.time() if now is None else now) - int(sent)) > tolerance:
        raise InvalidSignature("webhook-timestamp is too far from now")
    signed = f"{identifier}.{sent}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, sha256))
    # While a secret is being changed, there is a signature for each.
    if not any(hmac.compare_digest(expected, each.encode()) for each in given.get("webhook-signature", "").split()):
        raise InvalidSignature("webhook-signature does not fit")
    content = json.loads(body)
    if not isinstance(content, dict):
        raise InvalidSignature("the body is no JSON object")
    return content


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("secret must be whsec_ and base64") from None
