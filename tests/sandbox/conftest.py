"""The SDKs, pointed at the sandbox, and a receiver for its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe
from stripe import StripeClient
from twilio.rest import Client

from tests.sandbox_server import SandboxServer

ACCOUNT, TOKEN = "AC" + "2" * 32, "token-of-the-tests"


@pytest.fixture
def client(sandbox: SandboxServer) -> StripeClient:
    """Stripe's SDK."""
    base = sandbox.stripe_base
    return StripeClient(
        "sk_test_tests",
        base_addresses={"api": base, "files": base, "connect": base, "meter_events": base},
        max_network_retries=0,
        http_client=stripe.RequestsClient(),
    )


@pytest.fixture
def twilio(sandbox: SandboxServer) -> Client:
    """Twilio's SDK."""
    client = Client(ACCOUNT, TOKEN)
    client.api.base_url = sandbox.twilio_base
    return client


class Receiver:
    """A real HTTP server that keeps what it is sent, and refuses the first `refusals` requests."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.refusals = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Answers 200, or 500 while it is to refuse."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 500 if receiver.refusals > 0 else 200
                receiver.refusals -= status == 500
                if status == 200:
                    receiver.received.append((self.path, dict(self.headers), body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        """Close it."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.stop()
