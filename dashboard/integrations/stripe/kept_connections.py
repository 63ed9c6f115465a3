"""The SDK's HTTP: one kept connection a thread, nothing more. Meter events and webhooks make a thousand calls a second.

The SDK's usual client costs about 1 ms of processor time a call, most of it in preparing the request. Where the
environment names a proxy the usual client is taken instead, which knows about proxies.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Mapping
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies

import stripe

SECONDS = 20.0


def fast_client(timeout: float = SECONDS) -> stripe.HTTPClient:
    """The client for this environment."""
    return stripe.RequestsClient(timeout=timeout) if getproxies() else KeptConnections(timeout)


class NotSent(stripe.APIConnectionError):
    """No connection could be made, so the call did surely nothing."""


class _Plain(HTTPConnection):
    """Closes itself with the thread that it belonged to."""

    def __del__(self) -> None:
        self.close()


class _Secure(HTTPSConnection):
    """The same over TLS."""

    def __del__(self) -> None:
        self.close()


class KeptConnections(stripe.HTTPClient):
    """Calls over connections that stay open. Whether one without an answer is made again, the SDK's client decides."""

    name: ClassVar[str] = "kept"

    def __init__(self, timeout: float = SECONDS) -> None:
        super().__init__()
        self._timeout = timeout
        self._open = threading.local()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=stripe.ca_bundle_path)

    def request(  # type: ignore[override]  # the SDK leaves the last parameter out as well
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One call.

        Raises the SDK's `APIConnectionError`, of the kind `NotSent` where there was no connection.
        """
        scheme, host, path, query, _ = urlsplit(url)
        target = f"{path}?{query}" if query else path
        connection = self._connection(scheme, host)
        body = post_data.encode() if isinstance(post_data, str) else post_data
        if connection.sock is not None and _has_ended(connection.sock):
            connection.close()
        try:
            if connection.sock is None:
                connection.connect()
        except OSError as error:
            raise NotSent(self._failed(scheme, host, error), should_retry=True) from error  # type: ignore[no-untyped-call]
        try:
            connection.request(method.upper(), target, body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            failed = self._failed(scheme, host, error)
            raise stripe.APIConnectionError(failed, should_retry=True) from error  # type: ignore[no-untyped-call]
        if answer.will_close:
            connection.close()
        return content, answer.status, answer.headers  # type: ignore[return-value]  # a mapping without case

    def close(self) -> None:
        """Close this thread's connections."""
        for connection in vars(self._open).values():
            connection.close()

    def _connection(self, scheme: str, host: str) -> HTTPConnection:
        name = f"{scheme}://{host}"
        found: HTTPConnection | None = getattr(self._open, name, None)
        if found is None:
            found = (
                _Secure(host, timeout=self._timeout, context=self._tls)
                if scheme == "https"
                else _Plain(host, timeout=self._timeout)
            )
            setattr(self._open, name, found)
        return found

    def _failed(self, scheme: str, host: str, error: Exception) -> str:
        self._connection(scheme, host).close()
        return f"no answer from {host} ({type(error).__name__}: {error})"


def _has_ended(sock: socket.socket) -> bool:
    """Whether the other side closed a connection on which nothing was asked: all that can be read there is its end."""
    watch = select.poll()
    watch.register(sock, select.POLLIN)
    return bool(watch.poll(0))
