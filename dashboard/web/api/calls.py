"""Making a call through the API: stored, asked for, counted when it has ended."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import NotFound
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.billing.telephony.call_requests import CallRequest, parse_call_request
from dashboard.billing.telephony.calls import accept_call, refuse_call, store_call
from dashboard.models import Call, OutgoingState, Tenant
from dashboard.web.api import descriptions
from dashboard.web.api.bodies import json_body
from dashboard.web.api.keys import idempotency_key, require_key
from dashboard.web.errors import answer
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("calls_api", __name__, url_prefix="/api/calls")
blueprint.before_request(require_key)


@blueprint.post("")
@descriptions.make_call
def create() -> ResponseReturnValue:
    """Make one call. `Idempotency-Key` makes a repeat safe: the same key never calls twice."""
    tenant = session().get_one(Tenant, g.tenant_id)
    wanted = parse_call_request(session(), json_body(), tenant, now())
    call, is_to_be_made = store_call(session(), tenant.id, wanted, idempotency_key(), now())
    # Plain numbers from here on: no transaction stays open while Twilio is asked.
    tenant_id, call_id = tenant.id, call.id
    session().commit()
    if is_to_be_made:
        return _make(tenant_id, call_id, wanted)
    if call.state == OutgoingState.SENDING:
        return answer(409, "A request with this key is under way, or its outcome is not known yet.", call_id=call_id)
    return jsonify(_view(call)), 200


def _make(tenant_id: int, call_id: int, wanted: CallRequest) -> ResponseReturnValue:
    callback = url_for("twilio_webhooks.call_status", tenant_id=tenant_id, call_id=call_id)
    try:
        facts = wiring().telephony.make_call(
            to=wanted.to,
            from_=wanted.from_,
            url=wanted.url,
            twiml=wanted.twiml,
            status_callback=f"{wiring().settings.public_url}{callback}",
        )
    except ProviderRefused as refusal:
        refuse_call(session(), tenant_id, call_id, str(refusal))
        session().commit()
        raise
    except ProviderUnavailable:
        return answer(
            502,
            "Twilio did not answer, so it is not known whether the call is made. Do not ask for it again: "
            "its status callbacks settle it.",
            call_id=call_id,
        )
    call = accept_call(session(), tenant_id, call_id, facts, now())
    session().commit()
    return jsonify(_view(call)), 201


@blueprint.get("/<int:call_id>")
@descriptions.show_call
def show(call_id: int) -> ResponseReturnValue:
    """One call of the key's tenant, made or received, with its status so far."""
    call = session().get(Call, (g.tenant_id, call_id))
    if call is None:
        raise NotFound(f"no call {call_id}")
    return jsonify(_view(call))


def _view(call: Call) -> dict[str, object]:
    return {
        "id": call.id,
        "sid": call.sid,
        "direction": call.direction,
        "state": call.state,
        "to": call.to_number,
        "from": call.from_number,
        "status": call.status,
        "duration_seconds": call.duration,
        "user_id": call.user_id,
        "metadata": call.details,
        "error": call.error,
        "requested_at": call.requested_at,
        "ended_at": call.ended_at,
    }
