"""The tenant's subscription: how it stands, ending it, taking that back, pausing and resuming."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from flask import flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from dashboard.billing.plans.plans import plan_name
from dashboard.billing.subscriptions import subscription_endings
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.billing.subscriptions.subscription_views import view_subscription
from dashboard.jobs.metering import send_usage_of
from dashboard.web.billing_actions import act, desk_of
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.web.tenant.billing_forms import form_key, or_say_why
from dashboard.wiring import session


@blueprint.get("/subscription")
def subscription() -> str:
    """How it stands, what is to come, and what can be done about it."""
    found = view_subscription(session(), g.tenant.id)
    return render_template(
        "tenant/subscription/show.html",
        subscription=found,
        scheduled_name=plan_name(found.scheduled_plan) if found else "",
        may_change=g.role in BUYERS,
        request_key=uuid4().hex,
    )


@blueprint.get("/subscription/cancel")
def ask_cancel() -> Response:
    """What ending it would mean, at the end of the period or now."""
    require_buyer()
    page = url_for("tenant.subscription", tenant_id=g.tenant.id)
    tenant_id = g.tenant.id

    def ask() -> Response:
        # What would be billed is told by Stripe, so it has to know all usage first.
        send_usage_of(tenant_id)
        body = render_template(
            "tenant/subscription/cancel.html",
            subscription=view_subscription(session(), tenant_id),
            last=subscription_endings.preview_end(desk_of(tenant_id)),
            request_key=uuid4().hex,
        )
        return Response(body, mimetype="text/html")

    return or_say_why(page, ask)


@blueprint.post("/subscription/cancel")
def cancel_subscription() -> Response:
    """End it."""
    when = request.form.get("when", "")
    said = "Your subscription has ended." if when == "now" else "Your subscription ends with the paid period."
    return _act(
        "cancel",
        {"when": when},
        lambda desk: subscription_endings.cancel_subscription(desk, when),
        said,
        bills_usage=when == "now",
    )


@blueprint.get("/subscription/pause")
def ask_pause() -> str:
    """What pausing means, and the question."""
    require_buyer()
    found = view_subscription(session(), g.tenant.id)
    return render_template("tenant/subscription/pause.html", subscription=found, request_key=uuid4().hex)


@blueprint.post("/subscription/pause")
def pause_subscription() -> Response:
    """Pause it."""
    said = "Your subscription is paused: your plan rests until you resume it."
    return _act("pause", {}, subscription_endings.pause_subscription, said, bills_usage=True)


@blueprint.post("/subscription/resume")
def resume_subscription() -> Response:
    """Take the cancellation back, or go on after a pause."""
    return _act("resume", {}, subscription_endings.resume_subscription, "Your subscription goes on.")


def _act(
    action: str,
    given: dict[str, Any],
    do: Callable[[Desk], object],
    said: str,
    *,
    bills_usage: bool = False,
) -> Response:
    require_buyer()
    tenant_id, page = g.tenant.id, url_for("tenant.subscription", tenant_id=g.tenant.id)

    def go() -> Response:
        act(tenant_id, action, given, form_key(action), lambda desk: _status_after(do, desk), bills_usage=bills_usage)
        flash(said, "info")
        return redirect(page, 303)

    return or_say_why(page, go)


def _status_after(do: Callable[[Desk], object], desk: Desk) -> dict[str, Any]:
    do(desk)
    found = view_subscription(desk.session, desk.tenant_id)
    return {"status": found.status if found else None}
