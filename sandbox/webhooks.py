"""Webhooks on their way out: signed, tried again with growing pauses for three days, kept over a restart."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable

import requests

from sandbox.store import Store, Thing, new_id

SENDERS = 4
GIVE_UP_AFTER = 3 * 86_400
LONGEST_PAUSE = 60


def sign(body: str, secret: str) -> str:
    """The Stripe-Signature header. Its time is the wall clock's: receivers compare it with theirs."""
    stamp = int(time.time())
    digest = hmac.new(secret.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


class Deliveries:
    """Plans deliveries and works them off with a few threads. Events of one endpoint may overtake each other."""

    def __init__(self, store: Store, note: Callable[[Thing], None]) -> None:
        self._store = store
        self._note = note
        self._wake = threading.Condition()
        self._taken: set[str] = set()
        self._stopping = False
        self.delivered = 0

    def plan(self, event_id: str, endpoint_id: str) -> None:
        """Queue one event for one endpoint (store lock held)."""
        now = time.time()
        delivery = {
            "id": new_id("whd"),
            "event": event_id,
            "endpoint": endpoint_id,
            "attempts": 0,
            "next_at": now,
            "planned_at": now,
            "state": "pending",
            "last_error": None,
        }
        self._store.put("delivery", delivery)
        with self._wake:
            self._wake.notify()

    def start(self) -> None:
        """Begin to send."""
        for _ in range(SENDERS):
            threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """Stop after the request in hand; the rest is sent after the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def count(self) -> dict[str, int]:
        """How many wait, were delivered since the start, or were given up."""
        waiting = list(self._store.all("delivery"))
        return {
            "pending": sum(each["state"] == "pending" for each in waiting),
            "delivered": self.delivered,
            "failed": sum(each["state"] == "failed" for each in waiting),
        }

    def _work(self) -> None:
        http = requests.Session()
        while not self._stopping:
            delivery = self._take()
            if delivery is None:
                with self._wake:
                    self._wake.wait(timeout=self._pause())
                continue
            self._send(http, delivery)

    def _pause(self) -> float:
        """Until the next retry falls due; a new plan wakes us earlier."""
        with self._store.lock:
            due = [each["next_at"] for each in self._store.all("delivery") if each["state"] == "pending"]
        return min(max(min(due, default=time.time() + 1) - time.time(), 0.01), 1)

    def _take(self) -> Thing | None:
        with self._store.lock:
            for delivery in self._store.all("delivery"):
                is_due = delivery["state"] == "pending" and delivery["next_at"] <= time.time()
                if is_due and delivery["id"] not in self._taken:
                    self._taken.add(delivery["id"])
                    return delivery
        return None

    def _send(self, http: requests.Session, delivery: Thing) -> None:
        with self._store.lock:
            event = self._store.get("event", delivery["event"])
            endpoint = self._store.get("webhook_endpoint", delivery["endpoint"])
        error: str | None = "the endpoint is gone"
        if event and endpoint:
            error = self._post(http, event, endpoint)
        with self._store.writing():
            self._taken.discard(delivery["id"])
            if self._store.get("delivery", delivery["id"]) is None:
                return
            if error is None or endpoint is None:
                self.delivered += error is None
                self._store.remove("delivery", delivery["id"])
                return
            attempts = delivery["attempts"] + 1
            gone = time.time() - delivery["planned_at"] > GIVE_UP_AFTER
            delivery |= {
                "attempts": attempts,
                "last_error": error,
                "state": "failed" if gone else "pending",
                "next_at": time.time() + min(2 ** (attempts - 1), LONGEST_PAUSE),
            }
            self._store.put("delivery", delivery)

    def _post(self, http: requests.Session, event: Thing, endpoint: Thing) -> str | None:
        body = json.dumps(event)
        headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, endpoint["secret"])}
        try:
            answer = http.post(endpoint["url"], data=body.encode(), headers=headers, timeout=10, allow_redirects=False)
        except requests.RequestException as error:
            return type(error).__name__
        self._note({"kind": "webhook", "body": event, "status": answer.status_code})
        return None if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"
