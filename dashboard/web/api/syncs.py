"""Meter syncs of the key's own tenant: ask for one, watch it, cancel it, look back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.fields import need_object
from dashboard.billing.metering.sync_runs import cancel_run, read_usage_types
from dashboard.billing.metering.sync_views import SyncRunView, find_run, list_runs
from dashboard.jobs.metering import start_sync
from dashboard.web.api import examples
from dashboard.web.api.bodies import json_body, read_body
from dashboard.web.api.keys import require_key
from dashboard.web.api.openapi import Answer, Body, describe
from dashboard.web.api.queries import read_query
from dashboard.web.api.sync_shapes import SyncIn, SyncOut, SyncsOut, SyncsQuery
from dashboard.wiring import now, session

TAG = "Meter sync"
blueprint = Blueprint("syncs_api", __name__, url_prefix="/api/billing/usage/sync")
blueprint.before_request(require_key)


@blueprint.post("")
@describe(
    tag=TAG,
    scope="sync:run",
    body=(Body(SyncIn, {"all": {}, "some": {"usage_types": ["SMS_SENT", "CALL_DURATION_SECONDS"]}}),),
    answers={
        202: Answer(
            "The run that was started, or the one under way.",
            SyncOut,
            headers={"Location": "Where to watch it."},
            example=examples.SYNC,
        )
    },
    errors=(400, 413, 415),
)
def create() -> ResponseReturnValue:
    """Send this tenant's usage to Stripe's meters now

    It is done anyway at every full hour. While a sync of this tenant and the same usage types is under way, that one is
    the answer.
    """
    fields = need_object(json_body(), frozenset({"usage_types"})) if read_body() else {}
    usage_types = read_usage_types(fields.get("usage_types"))
    run_id = start_sync(_caller(), g.tenant_id, usage_types)
    run = find_run(session(), run_id, tenant_id=g.tenant_id)
    return jsonify(_view(run)), 202, {"Location": url_for("syncs_api.show", run_id=run_id)}


@blueprint.get("")
@describe(
    tag=TAG,
    scope="sync:run",
    query=SyncsQuery,
    answers={
        200: Answer("This tenant's runs.", SyncsOut, example={"syncs": [examples.SYNC], "next_before": None}),
    },
)
def index() -> ResponseReturnValue:
    """Syncs so far, newest first

    Those of this tenant alone: the hourly one over all tenants is not among them.
    """
    query = read_query(SyncsQuery)
    page = list_runs(session(), tenant_id=g.tenant_id, before=query.before, limit=query.limit)
    return jsonify({"syncs": [_view(run) for run in page.runs], "next_before": page.next_before})


@blueprint.get("/<int:run_id>")
@describe(
    tag=TAG,
    scope="sync:run",
    answers={200: Answer("The run as it is now.", SyncOut, example=examples.SYNC)},
    errors=(404,),
)
def show(run_id: int) -> ResponseReturnValue:
    """How a sync is getting on

    `state` goes from `queued` over `running` to `complete`, `failed` or `canceled`. After a failure nothing is lost:
    the next sync sends what is left.
    """
    return jsonify(_view(find_run(session(), run_id, tenant_id=g.tenant_id)))


@blueprint.post("/<int:run_id>/cancel")
@describe(
    tag=TAG,
    scope="sync:run",
    answers={202: Answer("The run, which ends after the events in hand.", SyncOut, example=examples.SYNC)},
    errors=(404, 409),
)
def cancel(run_id: int) -> ResponseReturnValue:
    """Cancel a sync

    What it has sent stays sent, what it has not waits for the next one. A sync that has ended is answered 409.
    """
    cancel_run(session(), run_id, canceled_by=_caller(), now=now(), tenant_id=g.tenant_id)
    session().commit()
    return jsonify(_view(find_run(session(), run_id, tenant_id=g.tenant_id))), 202


def _caller() -> str:
    return f"API key {g.api_key_name}, tenant {g.tenant_id}"


def _view(run: SyncRunView) -> dict[str, Any]:
    return {name: getattr(run, name) for name in SyncOut.model_fields}
