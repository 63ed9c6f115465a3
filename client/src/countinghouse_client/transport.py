"""One POST to Countinghouse over a connection that is kept, and what its answer means."""

from __future__ import annotations

import codecs
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

# The first connection would import this codec. A fork during an import leaves its lock held in the child for ever, and
# the child's sender would wait for it: so the sender's thread must not import anything.
codecs.lookup("idna")

PATH = "/api/billing/usage/events?atomic=false"
MAX_RETRY_AFTER = 3_600.0  # seconds; a longer one is an error of whoever sent it


class Verdict(Enum):
    """What to do with a batch after its answer."""

    DONE = auto()  # stored, bar the entries that were refused
    LATER = auto()  # the same again, after a pause
    SMALLER = auto()  # in two halves; a batch of one is refused for good
    HOLD = auto()  # somebody has to set something right; kept, tried again now and then


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the pause it asks for (seconds), and its JSON object if it has one."""

    status: int
    retry_after: float
    is_problem: bool
    content: Mapping[str, Any]

    def verdict(self, count: int) -> Verdict:
        """What it means for a batch of `count` events.

        A refusal is believed only from Countinghouse itself (RFC 9457), success only with an entry for each event:
        a proxy's page must neither drop events nor pass for their receipt.
        """
        entries = self.content.get("events")
        if self.status in {200, 201} and isinstance(entries, list) and len(entries) == count:
            return Verdict.DONE
        if self.status in {408, 425, 429} or self.status >= 500:
            return Verdict.LATER
        if self.status == 413 or (self.is_problem and self.status in {400, 409, 422}):
            return Verdict.SMALLER
        return Verdict.HOLD

    def __str__(self) -> str:
        return f"{self.status} {self.content.get('detail', '')}".strip()


class Transport:
    """Used by one thread."""

    def __init__(self, base_url: str, api_key: str, timeout: float) -> None:
        """`ValueError` if `base_url` is no http address. `timeout` (seconds) holds for connecting and each read."""
        address = urlsplit(base_url)
        if address.scheme not in {"http", "https"} or not address.hostname or address.query:
            raise ValueError("base_url must be an address such as https://billing.example.com")
        kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
        self._connection = kind(address.hostname, address.port, timeout=timeout)
        self._path = address.path.rstrip("/") + PATH
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "User-Agent": "countinghouse-client",
        }

    def post(self, body: bytes) -> Answer:
        """Send it; `OSError` or `HTTPException` when no answer came."""
        is_kept = self._connection.sock is not None
        try:
            return self._exchange(body)
        except (ConnectionError, HTTPException):
            # A server may close a kept connection at any time. The keys make a repeat safe.
            if not is_kept:
                raise
        return self._exchange(body)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _exchange(self, body: bytes) -> Answer:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            with self._connection.getresponse() as response:
                return _read(response)
        except BaseException:
            self._connection.close()
            raise


def _read(response: HTTPResponse) -> Answer:
    kind = response.headers.get_content_type()
    content: object = None
    written = response.read()
    if kind in {"application/json", "application/problem+json"}:
        try:
            content = json.loads(written)
        except ValueError:
            content = None
    return Answer(
        response.status,
        _seconds(response.headers.get("Retry-After", "")),
        kind == "application/problem+json",
        content if isinstance(content, dict) else {},
    )


def _seconds(value: str) -> float:
    """The pause of a Retry-After header (seconds, or an HTTP date); 0 without one."""
    try:
        pause = float(value)
    except ValueError:
        try:
            pause = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            pause = 0.0
    return min(max(pause, 0.0), MAX_RETRY_AFTER) if math.isfinite(pause) else 0.0
