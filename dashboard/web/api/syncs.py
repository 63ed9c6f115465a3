"""A meter sync of the key's own tenant: ask for one, watch it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.sync_runs import SyncRunView, find_run
from dashboard.jobs.metering import start_sync
from dashboard.web.api import examples
from dashboard.web.api.answers import SyncOut
from dashboard.web.api.keys import require_key
from dashboard.web.api.openapi import Answer, describe
from dashboard.wiring import session

blueprint = Blueprint("syncs_api", __name__, url_prefix="/api/billing/usage/sync")
blueprint.before_request(require_key)


@blueprint.post("")
@describe(
    tag="Meter sync",
    scope="sync:run",
    answers={
        202: Answer(
            "The run that was started, or the one under way.",
            SyncOut,
            headers={"Location": "Where to watch it."},
            example=examples.SYNC,
        )
    },
)
def create() -> ResponseReturnValue:
    """Send this tenant's usage to Stripe's meters now

    It is done anyway at every full hour. While a sync of this tenant is under way, that one is the answer.
    """
    started_by = f"API key {g.api_key_name}, tenant {g.tenant_id}"
    run_id = start_sync(started_by, g.tenant_id)
    run = find_run(session(), run_id, tenant_id=g.tenant_id)
    return jsonify(_view(run)), 202, {"Location": url_for("syncs_api.show", run_id=run_id)}


@blueprint.get("/<int:run_id>")
@describe(
    tag="Meter sync",
    scope="sync:run",
    answers={200: Answer("The run as it is now.", SyncOut, example=examples.SYNC)},
    errors=(404,),
)
def show(run_id: int) -> ResponseReturnValue:
    """How a sync is getting on

    `state` goes from `queued` over `running` to `complete` or `failed`. After a failure nothing is lost: the next sync
    sends what is left.
    """
    return jsonify(_view(find_run(session(), run_id, tenant_id=g.tenant_id)))


def _view(run: SyncRunView) -> dict[str, Any]:
    return {name: getattr(run, name) for name in SyncOut.model_fields}
