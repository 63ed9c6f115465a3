"""Twilio's webhooks on their way out: signed with the account's token, one after the other for each text or call.

They fail on demand: dropped, sent twice, late, or after those that should follow them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import queue
import threading
from dataclasses import dataclass

import requests

from sandbox.faults import Fault, Faults
from sandbox.store import Store, Thing

SENDERS = 4
ATTEMPTS = 3
KINDS = ("delay", "duplicate", "reorder", "drop")


def sign(url: str, form: dict[str, str], token: str) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the address and the sorted parameters."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


@dataclass(frozen=True, slots=True)
class Turn:
    """A text or call takes this turn: what changes in it, and the form that tells so (None: nobody asked to hear)."""

    changes: Thing
    form: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class _Way:
    """All turns of one thing, and where they are told."""

    kind: str
    sid: str
    url: str | None
    token: str
    turns: tuple[Turn, ...]


class Callbacks:
    """Lets texts and calls take their turns, from a few threads. The turns of one thing keep their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.Queue[_Way] = queue.Queue()
        self._lock = threading.Lock()
        self._open = 0
        self.faults = Faults()
        self.delivered = 0
        self.failed = 0

    def start(self) -> None:
        """Begin to send."""
        for _ in range(SENDERS):
            threading.Thread(target=self._work, daemon=True).start()

    def plan(self, kind: str, sid: str, turns: list[Turn], url: str | None, token: str) -> None:
        """Let the thing take these turns, in order, and tell `url` of each."""
        with self._lock:
            self._open += 1
        self._queue.put(_Way(kind, sid, url, token, tuple(turns)))

    def count(self) -> dict[str, int]:
        """How many things are on their way, and how many forms arrived or not."""
        return {"pending": self._open, "delivered": self.delivered, "failed": self.failed}

    def _work(self) -> None:
        http = requests.Session()
        while True:
            way = self._queue.get()
            self._go(http, way)
            with self._lock:
                self._open -= 1

    def _go(self, http: requests.Session, way: _Way) -> None:
        held_back: list[dict[str, str]] = []
        for turn in way.turns:
            if not self._change(way, turn.changes):
                return
            if way.url is None or turn.form is None:
                continue
            fault = self.faults.take(f"{way.kind} {turn.changes['status']}")
            kind = fault.kind if fault else None
            if kind == "reorder":
                held_back.append(turn.form)
            elif fault and kind == "delay":
                self._send_later(way, turn.form, fault)
            elif kind != "drop":
                for _ in range(2 if kind == "duplicate" else 1):
                    self._send(http, way, turn.form)
        for form in reversed(held_back):
            self._send(http, way, form)

    def _change(self, way: _Way, changes: Thing) -> bool:
        """False when the thing is gone: the sandbox was reset meanwhile."""
        with self._store.writing():
            thing = self._store.get(f"twilio_{way.kind}", way.sid)
            if thing is not None:
                thing.update(changes)
                self._store.put(f"twilio_{way.kind}", thing, way.sid)
        return thing is not None

    def _send_later(self, way: _Way, form: dict[str, str], fault: Fault) -> None:
        def wait_and_send() -> None:
            fault.cleared.wait(fault.seconds)
            with requests.Session() as http:
                self._send(http, way, form)
            with self._lock:
                self._open -= 1

        with self._lock:
            self._open += 1
        threading.Thread(target=wait_and_send, daemon=True).start()

    def _send(self, http: requests.Session, way: _Way, form: dict[str, str]) -> None:
        arrived = any(self._post(http, way.url or "", form, way.token) for _ in range(ATTEMPTS))
        with self._lock:
            self.delivered += arrived
            self.failed += not arrived

    def _post(self, http: requests.Session, url: str, form: dict[str, str], token: str) -> bool:
        headers = {"X-Twilio-Signature": sign(url, form, token)}
        try:
            return http.post(url, data=form, headers=headers, timeout=10, allow_redirects=False).ok
        except requests.RequestException:
            return False
