"""Plans: the matrix, buying one on Stripe's hosted page, and the way back from there."""

from __future__ import annotations

from uuid import uuid4

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from dashboard.billing.costs.plan_comparison import compare_plans
from dashboard.billing.plans.plans import active_prices
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.billing.subscriptions.checkouts import Addresses, start_checkout
from dashboard.billing.subscriptions.plan_matrix import list_plans
from dashboard.billing.subscriptions.subscription_views import view_subscription
from dashboard.models import CheckoutSession, CheckoutState, Subscription
from dashboard.web.billing_actions import act
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.web.tenant.billing_forms import or_say_why
from dashboard.wiring import now, session, wiring

# After so many polls (one a second) the page stops promising and says what to do.
PATIENCE = 30


@blueprint.get("/plans")
def plans() -> str:
    """Every plan side by side at `?interval=`, the current one marked, with its cost on the tenant's last months."""
    subscription = view_subscription(session(), g.tenant.id)
    chosen = request.args.get("interval") or (subscription.interval if subscription else None)
    interval = "yearly" if chosen == "yearly" else "monthly"
    prices = active_prices(session())
    live = subscription is not None and subscription.is_live
    current = session().get(Subscription, (g.tenant.id, subscription.id)) if subscription and live else None
    return render_template(
        "tenant/plans/index.html",
        plans=list_plans(session(), g.tenant.id, may_buy=g.role in BUYERS, prices=prices),
        interval=interval,
        subscription=subscription,
        comparison=compare_plans(session(), g.tenant.id, current, interval, now(), prices=prices),
    )


@blueprint.post("/plans/checkout")
def checkout() -> Response:
    """Begin a hosted checkout of one plan and go there; a second click goes to the same one."""
    require_buyer()
    tenant_id, page = g.tenant.id, url_for("tenant.plans", tenant_id=g.tenant.id)
    given = {"plan": request.form.get("plan", ""), "interval": request.form.get("interval", "monthly")}
    code = request.form.get("promotion_code", "").strip() or None
    if code:
        given["promotion_code"] = code

    def start(desk: Desk) -> dict[str, str]:
        base = wiring().settings.public_url
        back = f"{base}{url_for('tenant.checkout_return', tenant_id=tenant_id)}?session_id={{CHECKOUT_SESSION_ID}}"
        return {"url": start_checkout(desk, given["plan"], given["interval"], Addresses(back, base + page), code).url}

    # A key of its own for each click: what makes a repeat safe is the checkout that is open.
    return or_say_why(page, lambda: redirect(act(tenant_id, "checkout", given, uuid4().hex, start)["url"], 303))


@blueprint.get("/plans/checkout/return")
def checkout_return() -> str:
    """Wait for the webhook: only Stripe's confirmation makes a plan active, never the browser's return."""
    subscription = view_subscription(session(), g.tenant.id)
    session_id = request.args.get("session_id", "").replace("\x00", "")
    bought = session().get(CheckoutSession, (g.tenant.id, session_id))
    polls = request.args.get("polls", 0, type=int)
    is_yearly = bought is not None and bought.mode == "setup"
    state = "late" if polls >= PATIENCE else "waiting"
    if bought is not None and is_yearly and bought.state == CheckoutState.COMPLETE and bought.subscription_id is None:
        state = "lapsed"
    if subscription is not None:
        state = "active" if subscription.is_live else "unpaid"
    return render_template(
        "tenant/checkout/return.html",
        state=state,
        subscription=subscription,
        is_yearly=is_yearly,
        session_id=session_id,
        polls=polls + 1,
    )
