"""Plans: the matrix, the way to Stripe's hosted pages and back."""

from __future__ import annotations

from flask import abort, flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from dashboard.billing.customers import ensure_customer
from dashboard.billing.plan_matrix import list_plans, summarise_subscription
from dashboard.billing.plans import PLANS, free_plan, prices_of_plan
from dashboard.billing.subscriptions import live_subscription
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.wiring import session, wiring

# After so many polls (one a second) the page stops promising and says what to do.
PATIENCE = 30


@blueprint.get("/plans")
def plans() -> str:
    """Every plan side by side, the current one marked."""
    interval = request.args.get("interval", "monthly")
    return render_template(
        "tenant/plans/index.html",
        plans=list_plans(session(), g.tenant.id, may_buy=g.role in BUYERS),
        interval="yearly" if interval == "yearly" else "monthly",
        subscription=summarise_subscription(session(), g.tenant.id),
    )


@blueprint.post("/plans/checkout")
def checkout() -> Response:
    """Begin a hosted checkout of one plan and go there."""
    require_buyer()
    plan = request.form.get("plan", "")
    sold = [key for key in PLANS if key != free_plan().key]
    if plan not in sold:
        abort(400, f"plan: must be one of {', '.join(sold)}.")
    prices = prices_of_plan(session(), plan, "monthly", wiring().pins)
    if prices is None:
        abort(503, "Plans are not on sale yet: the catalogue has not been set up.")
    if live_subscription(session(), g.tenant.id) is not None:
        flash("There is a subscription already. End it first, then choose another plan.", "error")
        return redirect(url_for("tenant.plans", tenant_id=g.tenant.id), 303)
    customer_id = ensure_customer(session(), g.tenant.id, wiring().billing)
    session().commit()
    page = f"{wiring().settings.public_url}{url_for('tenant.plans', tenant_id=g.tenant.id)}"
    back = f"{wiring().settings.public_url}{url_for('tenant.checkout_return', tenant_id=g.tenant.id)}"
    started = wiring().billing.create_checkout(
        tenant_id=g.tenant.id,
        customer_id=customer_id,
        base_price_id=prices[0],
        metered_price_ids=prices[1],
        success_url=f"{back}?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=page,
    )
    return redirect(started.url or page, 303)


@blueprint.get("/plans/checkout/return")
def checkout_return() -> str:
    """Wait for the webhook: only Stripe's confirmation makes a plan active, never the browser's return."""
    subscription = summarise_subscription(session(), g.tenant.id)
    polls = request.args.get("polls", 0, type=int)
    state = "active" if subscription else "late" if polls >= PATIENCE else "waiting"
    return render_template(
        "tenant/checkout/return.html",
        state=state,
        plan_name=subscription.plan_name if subscription else None,
        session_id=request.args.get("session_id", ""),
        polls=polls + 1,
    )


@blueprint.post("/portal")
def portal() -> Response:
    """Go to Stripe's hosted portal: payment methods, cancellation."""
    require_buyer()
    if g.tenant.stripe_customer_id is None:
        flash("There is nothing to manage yet: choose a plan first.", "error")
        return redirect(url_for("tenant.plans", tenant_id=g.tenant.id), 303)
    page = f"{wiring().settings.public_url}{url_for('tenant.plans', tenant_id=g.tenant.id)}"
    url = wiring().billing.create_portal(customer_id=g.tenant.stripe_customer_id, return_url=page)
    return redirect(url, 303)
