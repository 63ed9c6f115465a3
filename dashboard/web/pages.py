"""What every page needs: who is asking, for which tenant, in which theme."""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, g, request, url_for
from flask_login import current_user

from dashboard.billing.plans.plans import catalog
from dashboard.config import Settings
from dashboard.web.viewing import current_view
from dashboard.wiring import now


def register(app: Flask, settings: Settings) -> None:
    """Give templates their common context."""
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["static_url"] = static_url

    @app.context_processor
    def common() -> dict[str, object]:
        theme = request.cookies.get("theme")
        return {
            "tenant": g.get("tenant"),
            "role": g.get("role"),
            "unread": g.get("unread", 0),
            "billing": g.get("billing"),
            "tenants": current_user.tenants if current_user.is_authenticated else [],
            "brand": catalog().brand,
            "staff_view": current_view(),
            "theme": theme if theme in {"light", "dark"} else None,
            "now": now(),
            "sandbox": settings.uses_sandbox,
            "data_credit": settings.data_credit,
        }


def static_url(filename: str) -> str:
    """The address of one of our own files; every icon asks for the same one."""
    return _static_url(request.script_root, filename)


@lru_cache(maxsize=100)
def _static_url(_root: str, filename: str) -> str:
    return url_for("static", filename=filename)
