"""HTTP: pages, API and webhooks. A view parses, calls the domain, commits and renders."""

from __future__ import annotations

from apiflask import APIFlask

from dashboard.config import Settings
from dashboard.web import (
    api,
    auth,
    compression,
    errors,
    formats,
    hot_paths,
    json_times,
    pages,
    routing,
    security,
    staff,
    tenant,
    webhooks,
)
from dashboard.web.api import document, openapi
from dashboard.web.auth import invitations


def register(app: APIFlask, settings: Settings) -> None:
    """Hang every blueprint and handler onto the application."""
    security.register(app, settings)
    routing.register(app)
    json_times.register(app)
    errors.register(app)
    formats.register(app)
    auth.register(app)
    pages.register(app, settings)
    compression.register(app)
    openapi.configure(app, settings)
    api.request_counter.register(app, settings)
    for blueprint in (
        auth.blueprint,
        invitations.blueprint,
        tenant.blueprint,
        staff.blueprint,
        *api.BLUEPRINTS,
        *webhooks.BLUEPRINTS,
    ):
        app.register_blueprint(blueprint)
    for blueprint in (*api.BLUEPRINTS, *webhooks.BLUEPRINTS):
        security.csrf.exempt(blueprint)
    document.register(app)
    usual = {
        webhooks.stripe_events.PATH: webhooks.stripe_events.store_usual,
        api.usage_events.PATH: api.usual_usage.record_usual,
    }
    headers = [*security.fixed_headers(settings), security.NOT_KEPT]
    app.wsgi_app = hot_paths.HotPaths(app, usual, headers)  # type: ignore[method-assign]
