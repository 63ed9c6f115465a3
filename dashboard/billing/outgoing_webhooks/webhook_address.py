"""Where an outgoing webhook may go: the form of a URL, and which addresses are public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_text

MAX_URL = 2_000
# Addresses of these carry an IPv4 address that a gateway would reach instead.
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))


def check_url(value: object, *, allow_private: bool) -> str:
    """The URL as it is stored. Names are resolved when something is delivered, since they can change.

    Raises `InvalidInput`.
    """
    url = need_text(value, "url", longest=MAX_URL)
    parts = _split(url)
    if parts is None or not parts.hostname or not url.isascii() or any(sign <= " " for sign in url):
        raise InvalidInput("url", "must be a URL such as https://example.com/webhooks")
    allowed = {"https", "http"} if allow_private else {"https"}
    if parts.scheme not in allowed:
        raise InvalidInput("url", f"must begin with {' or '.join(f'{scheme}://' for scheme in sorted(allowed))}")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput("url", "must hold no user, password or fragment")
    if not allow_private and _is_plainly_private(parts.hostname):
        raise InvalidInput("url", "must lead to a public address")
    return url


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # out of range raises here
    except ValueError:
        return None
    return parts


def _is_plainly_private(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet: none of loopback, private, link-local (cloud metadata),
    shared, reserved or multicast, nor one that carries another address inside.

    Raises `ValueError` for what is no IP address.
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found.teredo is not None or any(found in network for network in _TRANSLATED):
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved
