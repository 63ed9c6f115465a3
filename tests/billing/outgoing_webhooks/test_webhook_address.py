"""Where outgoing webhooks may go."""

from __future__ import annotations

import pytest

from dashboard.billing.errors import InvalidInput
from dashboard.billing.outgoing_webhooks.webhook_address import check_url, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
    ],
)
def test_an_address_of_no_public_network_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        7,
        "example.com/hooks",
        "ftp://example.com",
        "http://example.com/hooks",
        "https://",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://exam ple.com/",
        "https://example.com/a\r\nHost: other",
        "https://exämple.com/",
        "https://[::1",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost:8443/",
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_a_url_that_may_not_be_asked_is_refused_by_name(url: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_url(url, allow_private=False)
    assert refused.value.field == "url"


def test_a_public_https_url_is_kept_as_it_is() -> None:
    assert check_url("https://example.com:8443/hooks?a=1", allow_private=False) == "https://example.com:8443/hooks?a=1"


def test_private_addresses_and_http_can_be_opened() -> None:
    assert check_url("http://127.0.0.1:9000/hooks", allow_private=True) == "http://127.0.0.1:9000/hooks"
