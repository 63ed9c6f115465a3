"""A tenant's plan over HTTP: what there is, buying, changing, ending, pausing."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.fields import need_moment, need_object
from dashboard.billing.subscriptions import subscription_endings
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.billing.subscriptions.checkouts import Addresses, start_checkout
from dashboard.billing.subscriptions.plan_changes import PlanChange, change_plan, preview_change
from dashboard.billing.subscriptions.plan_losses import find_losses
from dashboard.billing.subscriptions.plan_matrix import list_plans
from dashboard.billing.subscriptions.subscription_portal import open_portal
from dashboard.billing.subscriptions.subscription_views import view_subscription
from dashboard.jobs.metering import send_usage_of
from dashboard.web.api import billing_descriptions, billing_views
from dashboard.web.api.bodies import json_body
from dashboard.web.api.keys import idempotency_key, require_key
from dashboard.web.billing_actions import act, desk_of
from dashboard.wiring import session, wiring

blueprint = Blueprint("billing_api", __name__, url_prefix="/api/billing")
blueprint.before_request(require_key)


@blueprint.get("/plans")
@billing_descriptions.list_plans
def plans() -> ResponseReturnValue:
    """Every plan with its prices and what it includes each month."""
    cards = list_plans(session(), g.tenant_id, may_buy=True)
    return jsonify({"plans": [billing_views.view_plan(card) for card in cards]})


@blueprint.get("/subscription")
@billing_descriptions.show_subscription
def show() -> ResponseReturnValue:
    """The subscription: plan, status, what is to come, what to pay

    `plan` is what the tenant has by now: `free` without a live subscription, `other` for prices that are not ours.
    """
    return jsonify(_subscription(desk_of(g.tenant_id)))


@blueprint.post("/checkout")
@billing_descriptions.start_checkout
def create_checkout() -> ResponseReturnValue:
    """Begin to buy a plan on Stripe's hosted page

    While a checkout of the same choice is open, that one is the answer; another choice closes it. 409 where there is a
    subscription already: change its plan instead.
    """
    given = need_object(json_body(), frozenset({"plan", "interval", "promotion_code"}))
    return jsonify(act(g.tenant_id, "checkout", given, idempotency_key(), lambda desk: _checkout(desk, given))), 201


def _checkout(desk: Desk, given: Any) -> dict[str, Any]:
    page = url_for("tenant.plans", tenant_id=desk.tenant_id)
    back = url_for("tenant.checkout_return", tenant_id=desk.tenant_id)
    base = wiring().settings.public_url
    addresses = Addresses(f"{base}{back}?session_id={{CHECKOUT_SESSION_ID}}", f"{base}{page}")
    interval, code = given.get("interval", "monthly"), given.get("promotion_code")
    row = start_checkout(desk, given.get("plan"), interval, addresses, code)
    return {
        "id": row.id,
        "url": row.url,
        "plan": row.plan,
        "interval": row.interval,
        "trial_days": row.trial_days,
    }


@blueprint.post("/portal")
@billing_descriptions.open_portal
def create_portal() -> ResponseReturnValue:
    """Open Stripe's hosted portal: payment methods, or the cancellation."""
    given = need_object(json_body(), frozenset({"flow"}))
    back = f"{wiring().settings.public_url}{url_for('tenant.plans', tenant_id=g.tenant_id)}"

    def open_it(desk: Desk) -> dict[str, Any]:
        return {"url": open_portal(desk, given.get("flow"), return_url=back)}

    return jsonify(act(g.tenant_id, "portal", given, idempotency_key(), open_it)), 201


@blueprint.post("/subscription/preview")
@billing_descriptions.preview_change
def create_preview() -> ResponseReturnValue:
    """What a change of plan would cost and when it would take effect

    Changes nothing; Stripe is told all usage first. `proration_date` of the answer goes into the change, so that what
    was shown is what is charged.
    """
    given = need_object(json_body(), frozenset({"plan", "interval"}))
    send_usage_of(g.tenant_id)
    change = preview_change(desk_of(g.tenant_id), given.get("plan"), given.get("interval"))
    answer = _view(change)
    session().commit()
    return jsonify(answer)


@blueprint.post("/subscription/change")
@billing_descriptions.change_plan
def change() -> ResponseReturnValue:
    """Change the plan or its interval

    An upgrade happens now and is charged now; while it waits for its payment `outcome` is `waiting`. A downgrade is
    scheduled for the end of the paid period. Naming the present plan takes a scheduled change back.
    """
    given = need_object(json_body(), frozenset({"plan", "interval", "proration_date"}))
    date = given.get("proration_date")
    at = None if date is None else need_moment(date, "proration_date")

    def make(desk: Desk) -> dict[str, Any]:
        return _view(change_plan(desk, given.get("plan"), given.get("interval"), at))

    return jsonify(act(g.tenant_id, "change", given, idempotency_key(), make, bills_usage=True))


@blueprint.post("/subscription/cancel")
@billing_descriptions.cancel
def cancel() -> ResponseReturnValue:
    """End the subscription: with the paid period, or now

    Now means: usage that was not billed yet is invoiced now, and the rest of the paid period is not returned.
    """
    given = need_object(json_body(), frozenset({"when"}))

    def end(desk: Desk) -> dict[str, Any]:
        subscription_endings.cancel_subscription(desk, given.get("when"))
        return _subscription(desk)

    bills = given.get("when") == "now"
    return jsonify(act(g.tenant_id, "cancel", given, idempotency_key(), end, bills_usage=bills))


@blueprint.post("/subscription/resume")
@billing_descriptions.resume
def resume() -> ResponseReturnValue:
    """Take a cancellation back, or go on after a pause

    After a pause a new period begins and is charged; the subscription stays paused until that is paid.
    """

    def go_on(desk: Desk) -> dict[str, Any]:
        subscription_endings.resume_subscription(desk)
        return _subscription(desk)

    return jsonify(act(g.tenant_id, "resume", {}, idempotency_key(), go_on))


@blueprint.post("/subscription/pause")
@billing_descriptions.pause
def pause() -> ResponseReturnValue:
    """Pause the subscription

    Unused time is credited and usage so far billed at once; until it is resumed the tenant is on Free.
    """

    def stop(desk: Desk) -> dict[str, Any]:
        subscription_endings.pause_subscription(desk)
        return _subscription(desk)

    return jsonify(act(g.tenant_id, "pause", {}, idempotency_key(), stop, bills_usage=True))


def _subscription(desk: Desk) -> dict[str, Any]:
    return billing_views.view_subscription(view_subscription(desk.session, desk.tenant_id))


def _view(change: PlanChange) -> dict[str, Any]:
    return billing_views.view_change(change, find_losses(change.before.plan, change.after.plan.key))
