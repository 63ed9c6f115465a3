"""Usage events as nearly all come, one or a batch, recorded before Flask (see `web/hot_paths.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.usage import Recorded, record_usages
from dashboard.billing.ledger.usage_input import UsageInput, parse_usages
from dashboard.billing.ledger.usual_usage import parse_usual_batch
from dashboard.billing.tenants.api_keys import Caller, Scope
from dashboard.database import db
from dashboard.web.api.combined_writes import single_writes
from dashboard.web.api.inputs import MAX_EVENTS
from dashboard.web.api.keys import bearer_of
from dashboard.web.api.known_callers import known_callers
from dashboard.web.api.request_counter import count_call
from dashboard.web.api.usage_answers import tell_batch, tell_one
from dashboard.web.api.usage_events import PATH
from dashboard.web.hot_paths import CREATED, OK, Answer
from dashboard.wiring import now

WRITE = Scope("usage:write")
# One event has at most 8 KB of metadata; what is larger is a batch.
LARGEST_SINGLE = 12_000


def record_usual(environ: Mapping[str, Any], body: bytes) -> Answer | None:
    """Record what was sent, if all of it is as usual."""
    if environ["QUERY_STRING"] or environ.get("CONTENT_TYPE") != "application/json":
        return None
    key, moment = bearer_of(environ.get("HTTP_AUTHORIZATION", "")), now()
    caller = _find_caller(key, moment) if key is not None else None
    if caller is None or WRITE not in caller.scopes:
        return None
    record = _record_batch if b'"events"' in body[:32] else _record_one
    told = record(caller.tenant_id, body, moment)
    if told is None:
        return None
    count_call(caller, f"POST {PATH}")
    return Answer(CREATED if told[1] else OK, told[0])


def _find_caller(key: str, moment: datetime) -> Caller | None:
    known = known_callers.recall(key, moment)
    if known is not None:
        return known
    with Session(db.engine) as session:
        return known_callers.find(session, key, moment)


def _record_one(tenant_id: int, body: bytes, moment: datetime) -> tuple[bytes, bool] | None:
    raw = msgspec.json.decode(body) if len(body) <= LARGEST_SINGLE else None
    event = parse_usages([raw], moment)[0] if isinstance(raw, dict) and "events" not in raw else None
    outcome = single_writes.write((tenant_id, event)) if isinstance(event, UsageInput) else None
    return (tell_one(outcome), outcome.is_new) if isinstance(outcome, Recorded) else None


def _record_batch(tenant_id: int, body: bytes, moment: datetime) -> tuple[bytes, bool] | None:
    events = parse_usual_batch(body, moment)
    if not events or len(events) > MAX_EVENTS:
        return None
    try:
        with Session(db.engine) as session:
            recorded = record_usages(session, tenant_id, events, source="api", now=moment)
            session.commit()
    except (InvalidInput, IdempotencyConflict, AlreadyCorrected):
        return None
    return tell_batch(events, recorded)
