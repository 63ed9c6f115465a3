"""Changing the plan: what it would cost and when, then the change; and keeping the plan after all."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from dashboard.billing.moments import parse_moment
from dashboard.billing.plans.plans import plan_name
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.billing.subscriptions.plan_changes import change_plan, preview_change
from dashboard.billing.subscriptions.plan_losses import find_losses, lost_features
from dashboard.billing.subscriptions.subscription_views import view_subscription
from dashboard.jobs.metering import send_usage_of
from dashboard.web.billing_actions import act, desk_of
from dashboard.web.tenant import blueprint, require_buyer
from dashboard.web.tenant.billing_forms import form_key, or_say_why
from dashboard.wiring import session

OUTCOMES = {
    "changed": ("Your plan is changed.", "info"),
    "scheduled": ("The change is scheduled. Until then nothing changes.", "info"),
    "kept": ("You keep your plan: the scheduled change is taken back.", "info"),
    "unchanged": ("This is your plan already.", "info"),
    "waiting": ("The change waits for its payment. Pay the open invoice to complete it.", "error"),
}


@blueprint.get("/plans/change")
def preview_plan() -> ResponseReturnValue:
    """What a change would cost and when it would take effect, and the question."""
    require_buyer()
    page = url_for("tenant.plans", tenant_id=g.tenant.id)
    return or_say_why(page, _preview)


def _preview() -> Response:
    # Usage so far is billed with an upgrade, so Stripe has to know all of it before it is asked.
    send_usage_of(g.tenant.id)
    change = preview_change(desk_of(g.tenant.id), request.args.get("plan"), request.args.get("interval", "monthly"))
    body = render_template(
        "tenant/plans/change.html",
        change=change,
        before_name=plan_name(change.before.plan),
        losses=find_losses(change.before.plan, change.after.plan.key),
        lost_features=lost_features(change.before.plan, change.after.plan.key),
        request_key=uuid4().hex,
    )
    return Response(body, mimetype="text/html")


@blueprint.post("/plans/change")
def confirm_change() -> Response:
    """Make the change as it was shown."""
    require_buyer()
    form = request.form
    given = {name: form.get(name, "") for name in ("plan", "interval", "proration_date")}

    def make(desk: Desk) -> dict[str, Any]:
        at = parse_moment(given["proration_date"], "proration_date") if given["proration_date"] else None
        return {"outcome": change_plan(desk, given["plan"], given["interval"], at).outcome}

    return _change(given, make)


@blueprint.post("/plans/keep")
def keep_plan() -> Response:
    """Take the scheduled change back."""
    require_buyer()
    found = view_subscription(session(), g.tenant.id)
    given = {"plan": found.plan_key if found else None, "interval": found.interval if found else None}

    def keep(desk: Desk) -> dict[str, Any]:
        return {"outcome": change_plan(desk, given["plan"], given["interval"]).outcome}

    return _change(given, keep)


def _change(given: dict[str, Any], make: Any) -> Response:
    tenant_id, page = g.tenant.id, url_for("tenant.subscription", tenant_id=g.tenant.id)

    def go() -> Response:
        done = act(tenant_id, "change", given, form_key("change"), make, bills_usage=True)
        flash(*OUTCOMES[done["outcome"]])
        return redirect(page, 303)

    return or_say_why(page, go)
