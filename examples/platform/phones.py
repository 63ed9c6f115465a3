"""Texts and calls: Countinghouse sends and places them, and counts them itself. There is nothing to report here."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import requests

ATTEMPTS = 3


LIMIT_REACHED = 402


class PhoneError(Exception):
    """Countinghouse did not take the text or call; `status` is its answer's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class LimitReached(PhoneError):
    """A cap, a budget or what Free includes stands against it. It is no failure: nobody was texted or called."""


class Phones:
    """One tenant's way to send texts and place calls."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base = base_url
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {api_key}"

    def send_text(self, to: str, body: str, *, user: str, metadata: dict[str, Any]) -> dict[str, Any]:
        """Send a text. Answers its `sid` and `segments`."""
        return self._post("/api/messages/sms", {"to": to, "body": body, "user_id": user, "metadata": metadata})

    def place_call(self, to: str, message: str, *, user: str, metadata: dict[str, Any]) -> dict[str, Any]:
        """Call somebody and speak the message; the seconds are counted when the call has ended."""
        return self._post("/api/calls", {"to": to, "message": message, "user_id": user, "metadata": metadata})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The same Idempotency-Key on each attempt: however often it is sent, the phone rings once."""
        headers = {"Idempotency-Key": str(uuid4())}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._http.post(f"{self._base}{path}", json=body, headers=headers, timeout=30)
            except requests.ConnectionError as error:
                status, detail = 503, f"Countinghouse does not answer: {error}"
            else:
                if answer.ok:
                    sent: dict[str, Any] = answer.json()
                    return sent
                status, detail = answer.status_code, _reason(answer)
            if status == LIMIT_REACHED:
                raise LimitReached(status, detail)
            if status not in {429, 503} or attempt == ATTEMPTS:
                raise PhoneError(status, detail)
            time.sleep(0.2 * attempt)
        raise AssertionError("the loop ends by itself")


def _reason(answer: requests.Response) -> str:
    """What Countinghouse says is wrong (problem+json), or the answer as it is."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return answer.text
