"""Webhooks on their way out: signed, tried again with growing pauses for three days, kept over a restart."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import json
import threading
import time
from collections.abc import Callable
from itertools import count

import requests

from sandbox.faults import Faults
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
        self.note = note
        self._wake = threading.Condition()
        # (when, number, id) of what waits; what is no longer in the store is skipped when its turn comes.
        self._queue: list[tuple[float, int, str]] = []
        self._numbers = count()
        self._stopping = False
        self.faults = Faults()
        self.delivered = 0

    def plan(self, event: Thing, endpoint_id: str) -> None:
        """Queue one event for one endpoint, or do with it what was asked for (store lock held)."""
        fault = self.faults.take(event["type"])
        kind = fault.kind if fault else None
        if kind == "drop":
            # Nobody tries it again: the event keeps its pending webhook, as one that Stripe gave up.
            return
        for _ in range(2 if kind == "duplicate" else 1):
            delivery = self._delivery(event["id"], endpoint_id)
            if fault and kind == "delay":
                delivery["next_at"] += fault.seconds
            if fault and kind == "reorder":
                # Held until the last of them is there (or its time is over), then sent last one first.
                delivery |= {"state": "held", "next_at": delivery["planned_at"] + fault.seconds}
            self._store.put("delivery", delivery)
            self._push(delivery)
        if fault and kind == "reorder" and not fault.left:
            self.release()

    def _push(self, delivery: Thing) -> None:
        with self._wake:
            heapq.heappush(self._queue, (delivery["next_at"], next(self._numbers), delivery["id"]))
            self._wake.notify()

    def release(self) -> None:
        """Send what is held back, the newest first, each after the one before it (store lock held)."""
        before = None
        for delivery in reversed(self._store.by("delivery", "state", "held")):
            delivery |= {"state": "pending", "next_at": time.time(), "after": before}
            self._store.put("delivery", delivery)
            self._push(delivery)
            before = delivery["id"]

    def _delivery(self, event_id: str, endpoint_id: str) -> Thing:
        now = time.time()
        return {
            "id": new_id("whd"),
            "event": event_id,
            "endpoint": endpoint_id,
            "attempts": 0,
            "next_at": now,
            "planned_at": now,
            "state": "pending",
            "last_error": None,
            "after": None,
        }

    def start(self) -> None:
        """Begin to send, first what a stop left over."""
        for delivery in self._store.by("delivery", "state", "pending", "held"):
            self._push(delivery)
        for _ in range(SENDERS):
            threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """Stop after the request in hand; the rest is sent after the next start."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def counts(self) -> dict[str, int]:
        """How many wait, were delivered since the start, or were given up."""
        return {
            "pending": len(self._store.by("delivery", "state", "pending", "held")),
            "delivered": self.delivered,
            "failed": len(self._store.by("delivery", "state", "failed")),
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
        """Until the next one falls due; a new plan wakes us earlier."""
        next_at = self._queue[0][0] if self._queue else time.time() + 1
        return min(max(next_at - time.time(), 0.01), 1)

    def _take(self) -> Thing | None:
        """One that is due. The lock makes sure that the call which planned it is done."""
        with self._store.lock:
            while self._queue and self._queue[0][0] <= time.time():
                with self._wake:
                    next_at, _, delivery_id = heapq.heappop(self._queue)
                delivery = self._store.get("delivery", delivery_id)
                if delivery is None or delivery["next_at"] != next_at:
                    continue
                if delivery["state"] == "held":
                    self.release()
                elif delivery["after"] and self._store.get("delivery", delivery["after"]):
                    delivery["next_at"] = time.time() + 0.02
                    self._push(delivery)
                elif delivery["state"] == "pending":
                    return delivery
        return None

    def _send(self, http: requests.Session, delivery: Thing) -> None:
        with self._store.lock:
            event = self._store.get("event", delivery["event"]) or self._store.get("thin_event", delivery["event"])
            endpoint = self._store.get("webhook_endpoint", delivery["endpoint"]) or self._store.get(
                "v2.core.event_destination", delivery["endpoint"]
            )
            body = json.dumps(_sent(event)) if event else ""
        error: str | None = "the endpoint is gone"
        if event and endpoint:
            error = self._post(http, body, endpoint)
        with self._store.writing():
            if self._store.get("delivery", delivery["id"]) is None:
                return
            if error is None or endpoint is None or event is None:
                self._arrived(delivery, event, is_new=error is None)
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
            if not gone:
                self._push(delivery)

    def _arrived(self, delivery: Thing, event: Thing | None, *, is_new: bool) -> None:
        self.delivered += is_new
        self._store.remove("delivery", delivery["id"])
        if is_new and event and event.get("pending_webhooks"):
            event["pending_webhooks"] -= 1
            self._store.put("event", event)

    def _post(self, http: requests.Session, body: str, endpoint: Thing) -> str | None:
        destination = endpoint.get("webhook_endpoint") or endpoint
        secret = endpoint.get("secret") or destination.get("signing_secret", "")
        headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, secret)}
        try:
            answer = http.post(
                destination["url"], data=body.encode(), headers=headers, timeout=10, allow_redirects=False
            )
        except requests.RequestException as error:
            return type(error).__name__
        self.note({"kind": "webhook", "body": json.loads(body), "status": answer.status_code})
        return None if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"


def _sent(event: Thing) -> Thing:
    """What goes over the wire: a thin event without its data, which is fetched."""
    if event["object"] != "v2.core.event":
        return event
    return {key: value for key, value in event.items() if key not in {"data", "changes"}}
