"""Subscriptions that staff have to look at: tenants that are billed by more than one."""

from __future__ import annotations

from flask import render_template

from dashboard.billing.subscriptions.several_subscriptions import list_several_subscriptions
from dashboard.web.staff import blueprint
from dashboard.wiring import session


@blueprint.get("/subscriptions")
def subscriptions() -> str:
    """Every tenant with more than one live subscription."""
    return render_template("staff/subscriptions/index.html", found=list_several_subscriptions(session()))
