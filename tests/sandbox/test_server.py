"""The sandbox's own HTTP server: connections kept open, and requests it cannot take."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

import pytest

from tests.sandbox_server import SandboxServer


def address_of(sandbox: SandboxServer) -> tuple[str, int]:
    parts = urlsplit(sandbox.stripe_base)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def test_a_connection_serves_many_requests(sandbox: SandboxServer) -> None:
    connection = http.client.HTTPConnection(*address_of(sandbox), timeout=10)
    connection.connect()
    opened = connection.sock
    for path, status in (("/_sandbox/health", 200), ("/nothing", 404), ("/_sandbox/clock", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, connection.sock is opened) == (status, True)
    connection.request("HEAD", "/_sandbox/health", headers={"Connection": "close"})
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.getheader("Connection")) == (200, b"", "close")
    connection.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon here\r\n\r\n", b"400"),
        (b"POST /v1/customers HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/customers HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /v1/customers HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    sandbox: SandboxServer, request_bytes: bytes, status: bytes
) -> None:
    with socket.create_connection(address_of(sandbox), timeout=10) as connection:
        connection.sendall(request_bytes)
        answer = connection.recv(1_000)
    assert answer.split(b" ")[1] == status


def test_half_a_request_is_not_performed(sandbox: SandboxServer) -> None:
    key = "Authorization: Bearer sk_test_tests"
    with socket.create_connection(address_of(sandbox), timeout=10) as connection:
        connection.sendall(f"POST /v1/customers HTTP/1.1\r\n{key}\r\nContent-Length: 50\r\n\r\nname=A".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1_000) == b""
    listed = sandbox.http.get(f"{sandbox.stripe_base}/v1/customers", headers=dict([key.split(": ")]), timeout=5)
    assert listed.json()["data"] == []
