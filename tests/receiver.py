"""A tenant's server for webhooks: real HTTP, every request kept, answers as told."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Event, Lock, Thread
from typing import Any

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_with(self, secret: str) -> bool:
        """Checks as docs/webhooks.md tells tenants to."""
        content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = b64decode(secret.removeprefix("whsec_"))
        expected = "v1," + b64encode(hmac.digest(key, content, sha256)).decode()
        return hmac.compare_digest(expected, self.headers["webhook-signature"])


@dataclass
class Receiver:
    """Requests so far; `statuses` answers the next ones (then 200), `gate` holds answers back until it is set."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    gate: Event = field(default_factory=Event)
    at_once: int = 0
    most_at_once: int = 0
    _lock: Any = field(default_factory=Lock)

    def answer(self, environ: Any, start_response: Any) -> Any:
        """The WSGI application."""
        request = Request(environ)
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.received.append(Received(request.full_path.rstrip("?"), headers, request.get_data()))
            status = self.statuses.pop(0) if self.statuses else 200
        assert self.gate.wait(30)
        with self._lock:
            self.at_once -= 1
        location = {"Location": "http://127.0.0.1:9/elsewhere"} if status in {301, 302, 307} else {}
        return Response(f"answer {status} " + "x" * 3_000, status, location)(environ, start_response)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    receiver.gate.set()
    server = make_server("127.0.0.1", 0, receiver.answer, threaded=True)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        thread.join(10)
        server.server_close()
