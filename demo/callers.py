"""People outside: they text and call a tenant's number, and Twilio's sandbox tells Countinghouse of it."""

from __future__ import annotations

from random import Random
from typing import Any

import requests

from dashboard.config import Settings


class Callers:
    """Everybody who writes to or calls one number."""

    def __init__(self, settings: Settings, number: str) -> None:
        self._sandbox = f"{settings.twilio_api_base}/_sandbox/inbound"
        self._http, self._random = requests.Session(), Random(number)
        ours = f"{settings.public_url}/api/twilio"
        common = {
            "account": settings.twilio_account_sid,
            "token": settings.twilio_auth_token.get_secret_value(),
            "to": number,
        }
        self._text = {**common, "url": f"{ours}/sms"}
        self._call = {**common, "url": f"{ours}/voice", "status_url": f"{ours}/voice/status"}

    def text(self, bodies: list[str]) -> list[str]:
        """Write these texts, each somebody else; their SIDs."""
        return self._ask("text", [{**self._text, "from": a_number(self._random), "body": body} for body in bodies])

    def call(self, lengths: list[int]) -> list[str]:
        """Call, each somebody else, for so many seconds; the calls' SIDs."""
        return self._ask(
            "call", [{**self._call, "from": a_number(self._random), "seconds": seconds} for seconds in lengths]
        )

    def _ask(self, kind: str, wanted: list[dict[str, Any]]) -> list[str]:
        if not wanted:
            return []
        answer = self._http.post(f"{self._sandbox}/{kind}", json=wanted, timeout=60)
        answer.raise_for_status()
        taken = answer.json()
        told = [each for one in taken for each in one["answers"]]
        if any(each["status"] != 200 for each in told):
            raise RuntimeError(f"Countinghouse did not take a {kind} that came in: {told}")
        return [one["sid"] for one in taken]


def a_number(random: Random, ending: str | None = None) -> str:
    """Somebody's telephone number. Its last four digits say what becomes of a call: see sandbox/twilio/outcomes.py."""
    return f"+1555{random.randint(200, 999)}{ending or f'{random.randrange(10_000):04}'}"
