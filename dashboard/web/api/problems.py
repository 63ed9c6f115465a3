"""How errors are documented: one shape for all of them, and what each status means here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """What is wrong, as RFC 9457 has it. Some errors add a member of their own, such as `message_id`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Always `about:blank`: the status says what kind of error it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong with this very request.")
    field: str = Field(default="", description="The field, parameter or header that is to blame, if one is.")
    allowed: str = Field(default="", description="What the field may hold.")


@dataclass(frozen=True, slots=True)
class Error:
    """What a status means here. `more` are the members of its example beside the usual ones."""

    description: str
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def example(self, status: int) -> dict[str, Any]:
        """An error of this kind as it is answered."""
        title = HTTPStatus(status).phrase
        return {"type": "about:blank", "title": title, "status": status, "detail": self.detail, **self.more}


RETRY_AFTER = {"Retry-After": "Seconds to wait before the next try."}
ERRORS: Mapping[int, Error] = {
    400: Error("The body or a signature cannot be read.", "The body is not valid JSON: unexpected character (byte 0)."),
    401: Error(
        "No key, or one that is unknown, revoked or expired.",
        "Send your key as: Authorization: Bearer ch_…",
        headers={"WWW-Authenticate": "Always `bearer`."},
    ),
    402: Error(
        "Nothing was done: `reason` says whether a cap is reached (`cap`, `plan`, `budget`) or the tenant reads only "
        "until it has paid (`payment`; `invoice_id` names what is owed).",
        "sending is stopped until billing is in order: invoice in_1 is not paid",
        {"reason": "payment", "invoice_id": "in_1"},
    ),
    403: Error(
        "The key lacks the scope that this call needs, which `scope` names; or a signature does not match.",
        "This key lacks the scope usage:read. Create one that has it.",
        {"scope": "usage:read"},
    ),
    404: Error("There is no such thing for this tenant.", "There is nothing here."),
    409: Error(
        "It contradicts what happened before, or cannot be done in the state things are in: `detail` says what to do.",
        "idempotency key 'msg-8841' was used before with a different body; use a new key",
        {"field": "idempotency_key"},
    ),
    413: Error("The body is too large.", "The data value transmitted exceeds the capacity limit."),
    415: Error("The body is of a media type that is not taken.", "Send JSON, with Content-Type: application/json."),
    422: Error(
        "A field holds what it may not: `field` names it, `allowed` says what it may hold. Nothing was done.",
        "limit: must be a whole number from 1 to 1000",
        {"field": "limit", "allowed": "must be a whole number from 1 to 1000"},
    ),
    429: Error("Too many calls.", "Too many calls. Wait a moment.", headers=RETRY_AFTER),
    502: Error(
        "The provider did not answer; whether it acted is not known yet. Do not send again: its callback settles it.",
        "Twilio did not answer, so it is not known whether the text was sent.",
        {"message_id": 17},
    ),
    503: Error("A provider cannot be reached. Nothing was done.", "Please try again in a moment.", headers=RETRY_AFTER),
}
