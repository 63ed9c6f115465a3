"""The two calls that come by the thousand, answered before Flask: what is usual about them, and nothing else.

A handler here answers a request that is as nearly all are, or None. Whatever else comes (no length, an unknown key, a
wrong field, an error) goes on to the view of the same address, which looks at everything again: so there is one place
that refuses, explains and is described. See docs/decisions/0043.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = structlog.get_logger()
# A batch of 1,000 usage events has some 300 KB.
LARGEST = 1024 * 1024
OK, CREATED = "200 OK", "201 CREATED"


@dataclass(frozen=True, slots=True)
class Answer:
    """The status line and the JSON of an answer."""

    status: str
    body: bytes


Handler = Callable[["WSGIEnvironment", bytes], Answer | None]


class HotPaths:
    """A WSGI application in front of another: POSTs to the addresses of `handlers` are tried there first."""

    def __init__(self, app: Flask, handlers: Mapping[str, Handler], headers: Sequence[tuple[str, str]]) -> None:
        self._app, self._handlers = app, handlers
        self._usual_way = app.wsgi_app
        self._headers = [("Content-Type", "application/json"), *headers]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, here or by the application behind."""
        handler = self._handlers.get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        answer = self._try(handler, environ) if handler else None
        if answer is None:
            return self._usual_way(environ, start_response)
        start_response(answer.status, [*self._headers, ("Content-Length", str(len(answer.body)))])
        return [answer.body]

    def _try(self, handler: Handler, environ: WSGIEnvironment) -> Answer | None:
        body = _read(environ)
        if body is None:
            return None
        try:
            with self._app.app_context():
                return handler(environ, body)
        except Exception as error:
            # The view meets it again, if it is still there, and says what is to be said.
            log.warning("tried again the usual way", path=environ["PATH_INFO"], error=str(error))
            return None


def _read(environ: WSGIEnvironment) -> bytes | None:
    """The body, which can be read again afterwards; None where it is not small and plain."""
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit() and int(length) <= LARGEST):
        return None
    if "HTTP_TRANSFER_ENCODING" in environ or "HTTP_CONTENT_ENCODING" in environ:
        return None
    body: Any = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    return bytes(body) if len(body) == int(length) else None
