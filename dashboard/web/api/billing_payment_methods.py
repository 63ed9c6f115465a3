"""A tenant's saved payment methods over HTTP. New ones are added on Stripe's portal."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from dashboard.billing.subscriptions import payment_methods
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.web.api import billing_descriptions, billing_views
from dashboard.web.api.keys import idempotency_key, require_key
from dashboard.web.audit import audit
from dashboard.web.billing_actions import act, desk_of
from dashboard.wiring import session

blueprint = Blueprint("billing_payment_methods_api", __name__, url_prefix="/api/billing/payment-methods")
blueprint.before_request(require_key)


@blueprint.get("")
@billing_descriptions.list_payment_methods
def index() -> ResponseReturnValue:
    """Saved payment methods, newest first."""
    methods = payment_methods.list_payment_methods(desk_of(g.tenant_id))
    return jsonify({"payment_methods": [billing_views.view_payment_method(each) for each in methods]})


@blueprint.post("/<method_id>/default")
@billing_descriptions.make_default
def create_default(method_id: str) -> ResponseReturnValue:
    """Charge invoices to this one from now on, those of the live subscription too."""

    def make(desk: Desk) -> dict[str, Any]:
        return billing_views.view_payment_method(payment_methods.make_default(desk, method_id))

    return jsonify(act(g.tenant_id, "default", {"id": method_id}, idempotency_key(), make))


@blueprint.delete("/<method_id>")
@billing_descriptions.remove_payment_method
def destroy(method_id: str) -> ResponseReturnValue:
    """Remove one for good

    409 for the default of a tenant with a subscription: make another one the default first.
    """
    payment_methods.remove_payment_method(desk_of(g.tenant_id), method_id)
    audit("payment_method.removed", method_id)
    session().commit()
    return "", 204
