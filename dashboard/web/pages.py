"""What every page needs: who is asking, for which tenant, in which theme."""

from __future__ import annotations

from flask import Flask, g, request
from flask_login import current_user

from dashboard.billing.accounts import tenants_of
from dashboard.billing.billing_state import find_state
from dashboard.config import Settings
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
            "billing": find_state(session(), g.tenant.id) if "tenant" in g else None,
            "tenants": tenants_of(session(), current_user) if current_user.is_authenticated else [],
            "theme": theme if theme in {"light", "dark"} else None,
            "now": now(),
            "sandbox": settings.uses_sandbox,
            "data_credit": settings.data_credit,
        }
