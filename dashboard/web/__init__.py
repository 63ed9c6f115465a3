"""HTTP: pages, API and webhooks. A view parses, calls the domain, commits and renders."""

from __future__ import annotations

from flask import Flask

from dashboard.config import Settings
from dashboard.web import api, auth, errors, formats, pages, security, staff, tenant, webhooks
from dashboard.web.api import document, openapi


def register(app: Flask, settings: Settings) -> None:
    """Hang every blueprint and handler onto the application."""
    security.register(app, settings)
    errors.register(app)
    formats.register(app)
    auth.register(app)
    pages.register(app, settings)
    openapi.configure(app, settings)
    api.request_counter.register(app, settings)
    for blueprint in (auth.blueprint, tenant.blueprint, staff.blueprint, *api.BLUEPRINTS, *webhooks.BLUEPRINTS):
        app.register_blueprint(blueprint)
    for blueprint in (*api.BLUEPRINTS, *webhooks.BLUEPRINTS):
        security.csrf.exempt(blueprint)
    document.register(app)
