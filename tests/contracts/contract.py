"""The contract: what may be asked, answered and told by webhook."""

from __future__ import annotations

import json
from typing import Any

import stripe

from sandbox.forms import decode
from tests.contracts import sdk_operations
from tests.contracts.typed_shapes import check_fields, check_object, check_typed_dict

ERROR_FIELDS = {"type", "message", "param", "code", "decline_code", "doc_url", "request_log_url", "charge"}


def check_request(method: str, path: str, query: str, body: str) -> list[str]:
    """What is wrong with a request, if anything."""
    operation = sdk_operations.find(method, path)
    if operation is None:
        return [f"{method} {path}: the SDK has no such call"]
    given = decode(query if method.upper() == "GET" else body)
    wanted = operation.params_class()
    if wanted is None:
        return [f"{name}: unknown" for name in given]
    return check_typed_dict(given, wanted, "")


def check_answer(status: int, answer: Any) -> list[str]:
    """What is wrong with an answer: an object, a list, or an error."""
    if status < 400:
        return check_object(answer, "answer")
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or not {"type", "message"} <= set(error):
        return ["answer.error: must have type and message"]
    return [f"answer.error.{name}: unknown" for name in error if name not in ERROR_FIELDS]


def check_event(event: Any) -> list[str]:
    """What is wrong with a webhook: its envelope, and the object it is about."""
    problems = check_fields(event, stripe.Event, "event")
    subject = event.get("data", {}).get("object") if isinstance(event, dict) else None
    return problems + check_object(subject, "event.data.object")


def check_lines(lines: list[str]) -> list[str]:
    """Every breach in a transcript of the sandbox. A request that was refused may be wrong: that was the point."""
    breaches = []
    for line in lines:
        entry = json.loads(line)
        if entry["kind"] == "webhook":
            breaches += [f"webhook {entry['body'].get('type')}: {problem}" for problem in check_event(entry["body"])]
            continue
        call = f"{entry['method']} {entry['path']}"
        if entry["status"] < 400:
            asked = check_request(entry["method"], entry["path"], entry["query"], entry["body"])
            breaches += [f"{call} asked {problem}" for problem in asked]
        breaches += [f"{call} {problem}" for problem in check_answer(entry["status"], entry["answer"])]
    return sorted(set(breaches))
