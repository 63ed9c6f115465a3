"""The contract: what may be asked, answered and told by webhook."""

from __future__ import annotations

import json
from typing import Any

import stripe
from stripe._object_classes import get_object_class
from stripe.events._event_classes import get_v2_event_class

from sandbox.forms import decode
from tests.contracts import sdk_operations
from tests.contracts.typed_shapes import check_fields, check_object, check_typed_dict, fields_of

THIN_FIELDS = {"id", "object", "type", "created", "livemode", "related_object"}
ERROR_FIELDS = {"type", "message", "param", "code", "decline_code", "doc_url", "request_log_url", "charge"}


def check_request(method: str, path: str, query: str, body: str) -> list[str]:
    """What is wrong with a request, if anything. Version 2 speaks JSON where version 1 speaks forms."""
    operation = sdk_operations.find(method, path)
    if operation is None:
        return [f"{method} {path}: the SDK has no such call"]
    is_json = path.startswith("/v2/") and bool(body)
    given = json.loads(body) if is_json else decode(query if method.upper() == "GET" else body)
    if path.startswith("/v2/"):
        given.pop("page", None)  # Stripe's own, in the address of a next page
    wanted = operation.params_class()
    if wanted is None:
        return [f"{name}: unknown" for name in given]
    return check_typed_dict(given, wanted, "")


def check_answer(status: int, answer: Any, path: str = "/v1/") -> list[str]:
    """What is wrong with an answer: an object, a list, or an error."""
    if status < 400:
        return _check_second_version(answer) if path.startswith("/v2/") else check_object(answer, "answer")
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or not {"type", "message"} <= set(error):
        return ["answer.error: must have type and message"]
    return [f"answer.error.{name}: unknown" for name in error if name not in ERROR_FIELDS]


def _check_second_version(answer: Any) -> list[str]:
    """Answers of version 2: nothing, a page, an event with the data of its type, or another object."""
    if "next_page_url" in answer:
        return [problem for each in answer["data"] for problem in _check_second_version(each)]
    if not answer or set(answer) == {"id", "object"}:
        return []
    if answer["object"] == "v2.core.event":
        return check_fields(answer, get_v2_event_class(answer["type"]), "answer")
    return check_fields(answer, get_object_class("V2", answer["object"]), "answer")


def check_event(event: Any) -> list[str]:
    """What is wrong with a webhook: its envelope, and the object it is about."""
    if isinstance(event, dict) and event.get("object") == "v2.core.event":
        return _check_thin_event(event)
    problems = check_fields(event, stripe.Event, "event")
    subject = event.get("data", {}).get("object") if isinstance(event, dict) else None
    if event.get("type") == "invoice.upcoming":
        # The one object that has no id: the invoice does not exist yet.
        return problems + check_object({"id": "none", **subject}, "event.data.object")
    return problems + check_object(subject, "event.data.object")


def _check_thin_event(event: dict[str, Any]) -> list[str]:
    """A notification: the event of its type without the data, which is fetched."""
    wanted = fields_of(get_v2_event_class(event["type"]))
    problems = [f"event.{name}: unknown" for name in event if name not in wanted or name in {"data", "changes"}]
    return problems + [f"event.{name}: missing" for name in THIN_FIELDS & set(wanted) if name not in event]


def check_lines(lines: list[str]) -> list[str]:
    """Every breach in a transcript of the sandbox. A request that was refused may be wrong: that was the point."""
    breaches = []
    for line in lines:
        entry = json.loads(line)
        if entry["kind"] in {"webhook", "event"}:
            breaches += [
                f"{entry['kind']} {entry['body'].get('type')}: {problem}" for problem in check_event(entry["body"])
            ]
            continue
        call = f"{entry['method']} {entry['path']}"
        if entry["status"] < 400:
            asked = check_request(entry["method"], entry["path"], entry["query"], entry["body"])
            breaches += [f"{call} asked {problem}" for problem in asked]
        breaches += [f"{call} {problem}" for problem in check_answer(entry["status"], entry["answer"], entry["path"])]
    return sorted(set(breaches))
