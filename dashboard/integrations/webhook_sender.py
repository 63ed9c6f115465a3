"""One HTTP POST to a tenant's endpoint, made safe: the address is checked and then connected to, time and answer are
bounded, no redirect is followed, no proxy of the environment is used.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from threading import Timer
from urllib.parse import urlsplit

from dashboard.billing.outgoing_webhooks.outgoing_webhooks import Answer
from dashboard.billing.outgoing_webhooks.webhook_address import is_public

SECONDS = 10.0
ANSWER_BYTES = 1_024
AGENT = "Countinghouse-Webhooks/1"


class Forbidden(Exception):
    """The name leads to an address that is not public."""


class WebhookSender:
    """Sends webhooks. `allow_private` opens plain http and addresses of the own network: demo, tests, on-premises."""

    def __init__(self, *, allow_private: bool, seconds: float = SECONDS) -> None:
        self._allow_private = allow_private
        self._seconds = seconds

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def send(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """POST `body` and tell what the endpoint said. Raises nothing: whatever goes wrong is an `Answer` too."""
        begun = time.monotonic()
        status, text, error = None, "", None
        try:
            status, text = self._post(url, headers, body.encode(), begun + self._seconds)
        except (OSError, http.client.HTTPException, Forbidden, ValueError) as failure:
            timed_out = time.monotonic() - begun >= self._seconds or isinstance(failure, TimeoutError)
            error = f"no answer within {self._seconds:g} s" if timed_out else _explain(failure)
        return Answer(status, text, error, round((time.monotonic() - begun) * 1_000))

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> tuple[int, str]:
        parts = urlsplit(url)
        host, is_tls = parts.hostname or "", parts.scheme == "https"
        if not is_tls and not self._allow_private:
            raise Forbidden("only https is allowed")
        default = http.client.HTTPS_PORT if is_tls else http.client.HTTP_PORT
        port = parts.port or default
        sock = self._connect(self._addresses(host, port), deadline)
        if is_tls:
            sock = self._tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = default  # so that Host names the port only where it is another
        connection.sock = sock
        # Each read has its own time-out; only the watchdog bounds them all together.
        watchdog = Timer(max(deadline - time.monotonic(), 0), _hang_up, [sock])
        watchdog.daemon = True
        watchdog.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("POST", target, body, {**headers, "User-Agent": AGENT, "Connection": "close"})
            response = connection.getresponse()
            # PostgreSQL keeps no NUL.
            return response.status, _beginning(response).decode(errors="replace").replace("\x00", "\ufffd")
        finally:
            watchdog.cancel()
            connection.close()
            sock.close()

    def _addresses(self, host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
        """What the name leads to now; one private address among them forbids all."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError):
            raise Forbidden(f"{host} has no address") from None
        if not self._allow_private and not all(is_public(str(address[0])) for *_, address in found):
            raise Forbidden(f"{host} leads to an address that is not public")
        return [(family, address) for family, _, _, _, address in found]

    def _connect(
        self, addresses: list[tuple[socket.AddressFamily, tuple[object, ...]]], deadline: float
    ) -> socket.socket:
        """A connection to the first of these very addresses that takes one: the name is not asked again."""
        failure: OSError = TimeoutError()
        for family, address in addresses:
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                connection.connect(address)
                connection.settimeout(self._seconds)
                return connection
            except OSError as error:
                connection.close()
                failure = error
        raise failure


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """The first kilobyte of a body. One that breaks off changes nothing: the status was said."""
    try:
        return response.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        response.close()


def _hang_up(sock: socket.socket) -> None:
    """End a request that takes too long, from another thread: the read in hand fails."""
    with suppress(OSError):  # it ended by itself
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _explain(failure: Exception) -> str:
    """The failure in words for the tenant."""
    if isinstance(failure, Forbidden):
        return str(failure)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {failure.verify_message}"
    if isinstance(failure, ssl.SSLError):
        return "it speaks no TLS we understand"
    if isinstance(failure, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(failure, (ConnectionError, http.client.RemoteDisconnected)):
        return "the connection broke before an answer came"
    if isinstance(failure, (http.client.HTTPException, ValueError)):
        return "its answer is not HTTP"
    return "it could not be reached"
