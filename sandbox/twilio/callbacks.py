"""Twilio's callbacks: signed with the account's token, one after the other for each text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import queue
import threading

import requests

SENDERS = 4
ATTEMPTS = 3


def sign(url: str, form: dict[str, str], token: str) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the address and the sorted parameters."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Callbacks:
    """Sends callbacks from a few threads. A list belongs together: its forms go out in order."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, list[dict[str, str]], str] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._open = 0
        self.delivered = 0
        self.failed = 0

    def start(self) -> None:
        """Begin to send."""
        for _ in range(SENDERS):
            threading.Thread(target=self._work, daemon=True).start()

    def plan(self, url: str, forms: list[dict[str, str]], token: str) -> None:
        """Send these forms to `url`, in order."""
        with self._lock:
            self._open += 1
        self._queue.put((url, forms, token))

    def count(self) -> dict[str, int]:
        """How many lists wait, and how many forms arrived or not."""
        return {"pending": self._open, "delivered": self.delivered, "failed": self.failed}

    def _work(self) -> None:
        http = requests.Session()
        while (planned := self._queue.get()) is not None:
            url, forms, token = planned
            for form in forms:
                arrived = any(self._post(http, url, form, token) for _ in range(ATTEMPTS))
                with self._lock:
                    self.delivered += arrived
                    self.failed += not arrived
            with self._lock:
                self._open -= 1

    def _post(self, http: requests.Session, url: str, form: dict[str, str], token: str) -> bool:
        headers = {"X-Twilio-Signature": sign(url, form, token)}
        try:
            return http.post(url, data=form, headers=headers, timeout=10, allow_redirects=False).ok
        except requests.RequestException:
            return False
