"""Payment methods: the list, the default, removing one; adding one, and all else, on Stripe's portal."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import flash, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.billing.subscriptions import payment_methods as methods
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.billing.subscriptions.subscription_portal import open_portal
from dashboard.web.audit import audit
from dashboard.web.billing_actions import act, desk_of
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.web.tenant.billing_forms import form_key, or_say_why
from dashboard.wiring import session, wiring


@blueprint.get("/payment-methods")
def payment_methods() -> str:
    """All saved ones, as Stripe has them now."""
    try:
        found = methods.list_payment_methods(desk_of(g.tenant.id))
    except ProviderUnavailable:
        found = None
    return render_template(
        "tenant/payment_methods/index.html",
        methods=found,
        may_change=g.role in BUYERS,
        request_key=uuid4().hex,
    )


@blueprint.post("/payment-methods/<method_id>/default")
def make_default(method_id: str) -> Response:
    """Charge invoices to this one."""
    require_buyer()
    tenant_id, page = g.tenant.id, url_for("tenant.payment_methods", tenant_id=g.tenant.id)

    def make(desk: Desk) -> dict[str, Any]:
        return {"label": methods.make_default(desk, method_id).label}

    def go() -> Response:
        done = act(tenant_id, "default", {"id": method_id}, form_key(f"default-{method_id}"), make)
        flash(f"Invoices are charged to {done['label']} from now on.", "info")
        return redirect(page, 303)

    return or_say_why(page, go)


@blueprint.post("/payment-methods/<method_id>/remove")
def remove_method(method_id: str) -> Response:
    """Remove one for good."""
    require_buyer()
    tenant_id, page = g.tenant.id, url_for("tenant.payment_methods", tenant_id=g.tenant.id)

    def go() -> Response:
        methods.remove_payment_method(desk_of(tenant_id), method_id)
        audit("payment_method.removed", method_id)
        session().commit()
        flash("The payment method is removed.", "info")
        return redirect(page, 303)

    return or_say_why(page, go)


@blueprint.post("/portal")
def portal() -> Response:
    """Go to Stripe's portal, to the part that `flow` names."""
    require_buyer()
    tenant_id, page = g.tenant.id, url_for("tenant.plans", tenant_id=g.tenant.id)
    flow = request.form.get("flow") or None
    back = "tenant.payment_methods" if flow == "payment_method_update" else "tenant.subscription"
    url = f"{wiring().settings.public_url}{url_for(back, tenant_id=tenant_id)}"

    def open_it(desk: Desk) -> dict[str, Any]:
        return {"url": open_portal(desk, flow, return_url=url)}

    return or_say_why(
        page, lambda: redirect(act(tenant_id, "portal", {"flow": flow}, uuid4().hex, open_it)["url"], 303)
    )
