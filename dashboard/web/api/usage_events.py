"""Usage events over HTTP: one, or up to 1,000 in a request, as our own JSON or as CloudEvents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, abort, g, jsonify, request
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import AlreadyCorrected, IdempotencyConflict, InvalidInput
from dashboard.billing.ledger.usage import Recorded, Refusal, record_each
from dashboard.billing.ledger.usage_input import UsageInput, parse_usages
from dashboard.billing.reports.usage_details import find_detail
from dashboard.web.api import cloudevents, descriptions
from dashboard.web.api.bodies import decoded_body
from dashboard.web.api.combined_writes import single_writes
from dashboard.web.api.inputs import MAX_EVENTS, RecordQuery
from dashboard.web.api.keys import require_key
from dashboard.web.api.queries import read_query
from dashboard.web.api.usage_answers import refuse_batch, tell_batch, tell_one
from dashboard.web.api.views import view_event
from dashboard.wiring import now, session

PATH = "/api/billing/usage/events"
blueprint = Blueprint("usage_api", __name__, url_prefix=PATH)
blueprint.before_request(require_key)


@dataclass(frozen=True, slots=True)
class Posted:
    """What was sent: the events, whether it was one or a batch, and whether they are CloudEvents."""

    raws: list[object]
    is_batch: bool
    are_cloudevents: bool


@blueprint.post("")
@descriptions.record_events
def create() -> ResponseReturnValue:
    """Record one event or many

    Up to 1,000 in a request, all of them or none; `?atomic=false` stores the good ones of a batch. What was
    acknowledged is on disk, and the same `idempotency_key` counts once however often it comes: a repeat is answered as
    a duplicate and never fails a batch. CloudEvents 1.0 are taken as well, one or a batch.
    """
    posted, atomic, moment = read_events(), read_query(RecordQuery).atomic == "true", now()
    parsed = _parse(posted, moment)
    if not posted.is_batch:
        return _record_one(parsed[0])
    bad = {n: event for n, event in enumerate(parsed) if isinstance(event, InvalidInput)}
    if bad and atomic:
        return refuse_batch(422, bad)
    events = [event for event in parsed if isinstance(event, UsageInput)]
    outcomes = record_each(session(), g.tenant_id, events, source="api", now=moment) if events else []
    refused = {n: outcome for n, outcome in enumerate(outcomes) if not isinstance(outcome, Recorded)}
    if refused and atomic:
        session().rollback()
        return refuse_batch(_status_of(refused), refused)
    session().commit()
    rest = iter(outcomes)
    body, has_new = tell_batch(parsed, [bad[n] if n in bad else next(rest) for n in range(len(parsed))])
    return _answer(body, has_new)


def _record_one(event: UsageInput | InvalidInput) -> ResponseReturnValue:
    if isinstance(event, InvalidInput):
        raise event
    outcome = single_writes.write((g.tenant_id, event))
    if not isinstance(outcome, Recorded):
        raise outcome
    return _answer(tell_one(outcome), outcome.is_new)


def _answer(body: bytes, has_new: bool) -> Response:
    return Response(body, 201 if has_new else 200, content_type="application/json")


def _status_of(refused: dict[int, Refusal]) -> int:
    """409 where every refusal is about what the ledger holds already."""
    held = all(isinstance(problem, IdempotencyConflict | AlreadyCorrected) for problem in refused.values())
    return 409 if held else 422


def read_events() -> Posted:
    """The request's events, unchecked. Raises `InvalidInput`; stops with 400, 413 or 415."""
    kind = request.mimetype
    if kind not in {"application/json", cloudevents.STRUCTURED, cloudevents.BATCH}:
        abort(415, f"Content-Type: must be application/json, {cloudevents.STRUCTURED} or {cloudevents.BATCH}.")
    body = decoded_body()
    if kind == cloudevents.BATCH or isinstance(body, list):
        return Posted(_checked_size(body), is_batch=True, are_cloudevents=kind != "application/json")
    if kind == "application/json" and isinstance(body, dict) and "events" in body:
        other = next((name for name in body if name != "events"), None)
        if other is not None:
            raise InvalidInput(other, "is not a field beside events")
        return Posted(_checked_size(body["events"]), is_batch=True, are_cloudevents=False)
    return Posted([body], is_batch=False, are_cloudevents=kind == cloudevents.STRUCTURED)


def _checked_size(events: object) -> list[object]:
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_EVENTS:
        raise InvalidInput("events", f"must be a list of 1 to {MAX_EVENTS} usage events")
    return events


def _parse(posted: Posted, moment: datetime) -> list[UsageInput | InvalidInput]:
    if not posted.are_cloudevents:
        return parse_usages(posted.raws, moment)
    parsed: list[UsageInput | InvalidInput] = []
    for raw in posted.raws:
        try:
            usage = cloudevents.usage_of_cloudevent(raw)
        except InvalidInput as problem:
            parsed.append(problem)
            continue
        event = parse_usages([usage], moment)[0]
        parsed.append(cloudevents.in_cloudevent_terms(event, raw) if isinstance(event, InvalidInput) else event)
    return parsed


@blueprint.get("/<int:event_id>")
@descriptions.show_event
def show(event_id: int) -> ResponseReturnValue:
    """One usage event

    A correction names the event it corrects, and an event that was corrected names its correction.
    """
    return jsonify(view_event(find_detail(session(), g.tenant_id, event_id)))
