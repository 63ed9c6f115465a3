"""What every page needs: who is asking, for which tenant, in which theme."""

from __future__ import annotations

from flask import Flask, g, request
from flask_login import current_user

from dashboard.billing.accounts import Own, list_own_tenants
from dashboard.billing.billing_state import find_state
from dashboard.config import Settings
from dashboard.models import BillingState
from dashboard.web.viewing import current_view
from dashboard.wiring import now, session


def register(app: Flask, settings: Settings) -> None:
    """Give templates their common context."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True

    @app.context_processor
    def common() -> dict[str, object]:
        theme = request.cookies.get("theme")
        return {
            "tenant": g.get("tenant"),
            "role": g.get("role"),
            "unread": g.get("unread", 0),
            "billing": _billing(),
            "tenants": [own.tenant for own in _own_tenants()],
            "staff_view": current_view(),
            "theme": theme if theme in {"light", "dark"} else None,
            "now": now(),
            "sandbox": settings.uses_sandbox,
            "data_credit": settings.data_credit,
        }


def _billing() -> BillingState | None:
    """The state of the tenant whose page this is; for its members it was read with their role."""
    if "billing" not in g and "tenant" in g:
        g.billing = find_state(session(), g.tenant.id)
    found: BillingState | None = g.get("billing")
    return found


def _own_tenants() -> list[Own]:
    if "own_tenants" not in g:
        g.own_tenants = list_own_tenants(session(), current_user.user) if current_user.is_authenticated else []
    found: list[Own] = g.own_tenants
    return found
