"""How usage events are answered: new or duplicate; in a batch each by its place, or refused with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from flask import Response

from dashboard.billing.errors import IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.usage import Recorded, Refusal
from dashboard.billing.ledger.usage_input import UsageInput
from dashboard.web.errors import answer


def tell_one(outcome: Recorded) -> bytes:
    """What became of one event."""
    status = "new" if outcome.is_new else "duplicate"
    return msgspec.json.encode({"id": outcome.id, "idempotency_key": outcome.idempotency_key, "status": status})


def tell_batch(
    parsed: Sequence[UsageInput | InvalidInput], outcomes: Sequence[Recorded | Refusal]
) -> tuple[bytes, bool]:
    """Counts, and one entry for each event in the order they were sent; whether any is new."""
    events: list[dict[str, Any]] = []
    counts = {"new": 0, "duplicate": 0, "refused": 0}
    for index, (event, outcome) in enumerate(zip(parsed, outcomes, strict=True)):
        if isinstance(outcome, Recorded):
            status = "new" if outcome.is_new else "duplicate"
            entry = {"index": index, "status": status, "id": outcome.id, "idempotency_key": outcome.idempotency_key}
        else:
            status = "refused"
            key = event.idempotency_key if isinstance(event, UsageInput) else None
            errors = [{"field": field_of(outcome), "message": message_of(outcome)}]
            entry = {"index": index, "status": status, "idempotency_key": key, "errors": errors}
        counts[status] += 1
        events.append(entry)
    body = {
        "new": counts["new"],
        "duplicates": counts["duplicate"],
        "refused": counts["refused"],
        "events": events,
    }
    return msgspec.json.encode(body), counts["new"] > 0


def refuse_batch(status: int, problems: Mapping[int, Refusal]) -> Response:
    """Nothing was stored: every event that stood in the way, by its place and field."""
    errors = [
        {"index": index, "field": f"events[{index}].{field_of(problem)}", "message": message_of(problem)}
        for index, problem in sorted(problems.items())
    ]
    first = errors[0]
    what = f"{first['field']}: {first['message']}" if len(errors) == 1 else f"{len(errors)} events are refused"
    return answer(status, f"{what}. Nothing was stored.", field=first["field"], errors=errors)


def field_of(problem: Refusal) -> str:
    """The field that stands in the way."""
    if isinstance(problem, InvalidInput):
        return problem.field
    return "idempotency_key" if isinstance(problem, IdempotencyConflict) else "corrects_id"


def message_of(problem: Refusal) -> str:
    """What is wrong with it."""
    return problem.message if isinstance(problem, InvalidInput) else str(problem)
