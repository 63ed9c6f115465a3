"""All tenants, and one of them with its whole story."""

from __future__ import annotations

from flask import abort, render_template, request

from dashboard.billing.errors import InvalidInput
from dashboard.billing.mirror.billing_state import OTHER_PLAN
from dashboard.billing.plans.plans import PLANS, plan_name
from dashboard.billing.staff.story_sources import KINDS
from dashboard.billing.staff.tenant_directory import HEALTH, SORTS, DirectoryQuery, list_tenants
from dashboard.billing.staff.tenant_story import Cursor, find_header, tell_story
from dashboard.web.staff import blueprint
from dashboard.web.staff.story_lines import line_of
from dashboard.wiring import now, session

FIELDS = ("q", "plan", "state", "health", "sort", "after")
STATES = {"full": "In order", "grace": "Grace", "read_only": "Reads only"}


@blueprint.get("/tenants")
def tenants() -> str:
    """Tenants by `?q=`, `?plan=`, `?state=`, `?health=`, in order of `?sort=`; `?after=` ended the page before."""
    given = {name: request.args.get(name, "").strip() for name in FIELDS}
    try:
        query = DirectoryQuery.read(given)
    except InvalidInput as error:
        abort(400, f"{error}.")
    rows, following = list_tenants(session(), query, now())
    kept = {name: value for name, value in given.items() if value and name != "after"}
    return render_template(
        "staff/tenants/index.html",
        rows=rows,
        following=following,
        query=query,
        kept=kept,
        is_filtered=any(name in kept for name in ("q", "plan", "state", "health")),
        plans=[*PLANS, OTHER_PLAN],
        plan_name=plan_name,
        states=STATES,
        health=HEALTH,
        sorts=SORTS,
    )


@blueprint.get("/tenants/<int:tenant_id>")
def tenant(tenant_id: int) -> str:
    """One tenant: where it stands, and what happened, of `?kind=`; `?before=` is where the page before ended."""
    kind, before = request.args.get("kind", ""), request.args.get("before", "")
    header = find_header(session(), tenant_id, now())
    try:
        entries, following = tell_story(
            session(), header, kind=kind or None, before=Cursor.read(before) if before else None
        )
    except InvalidInput as error:
        abort(400, f"{error}.")
    return render_template(
        "staff/tenants/show.html",
        header=header,
        lines=[line_of(entry, tenant_id, now()) for entry in entries],
        following=following.as_text() if following else None,
        kind=kind,
        kinds=KINDS,
        is_first=not before,
        plan_name=plan_name,
        states=STATES,
    )
