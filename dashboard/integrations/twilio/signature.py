"""Is this callback from Twilio? HMAC over the public URL and the sorted parameters, or over the URL and a body's hash.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from twilio.request_validator import RequestValidator


class Form(Protocol):
    """Parameters of a form post; a name may come more than once, and all its values are signed."""

    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def getlist(self, key: str) -> list[str]: ...


def is_signed_form(url: str, form: Form, signature: str | None, auth_token: str) -> bool:
    """Whether the `X-Twilio-Signature` header fits a form post. `url` is the one that Twilio called, query included."""
    return bool(signature) and bool(RequestValidator(auth_token).validate(url, form, signature))


def is_signed_json(url: str, body: bytes, signature: str | None, auth_token: str) -> bool:
    """Whether the `X-Twilio-Signature` header fits a JSON post.

    Twilio signs the URL alone, with the body's SHA-256 in its query: without that nothing vouches for the body.
    """
    if not signature or "bodySHA256" not in parse_qs(urlsplit(url).query):
        return False
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return bool(RequestValidator(auth_token).validate(url, text, signature))
