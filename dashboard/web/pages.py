"""What every page needs: who is asking, for which tenant, in which theme."""

from __future__ import annotations

from flask import Flask, g, request
from flask_login import current_user

from dashboard.billing.accounts import tenants_of
from dashboard.billing.billing_state import find_state
from dashboard.billing.notices import count_unread
from dashboard.billing.plans import catalog
from dashboard.config import Settings
from dashboard.models import Role
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
            "unread": _count_unread(),
            "billing": find_state(session(), g.tenant.id) if "tenant" in g else None,
            "tenants": tenants_of(session(), current_user) if current_user.is_authenticated else [],
            "brand": catalog().brand,
            "staff_view": current_view(),
            "theme": theme if theme in {"light", "dark"} else None,
            "now": now(),
            "sandbox": settings.uses_sandbox,
            "data_credit": settings.data_credit,
        }


def _count_unread() -> int:
    if "tenant" not in g or g.get("role") not in set(Role):
        return 0
    return count_unread(session(), g.tenant.id, current_user.id)
