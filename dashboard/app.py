"""`create_app()`: the composition root, the only place that knows everything."""

from __future__ import annotations

from pathlib import Path

from apiflask import APIFlask
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import models, web
from dashboard.config import Settings, load_settings
from dashboard.database import db, discard_dead_connections, keep_prepared_statements
from dashboard.logs import configure_logs
from dashboard.wiring import wire

ROOT = Path(__file__).resolve().parent.parent
API_VERSION = "1.0.0"


def create_app(settings: Settings | None = None, *, serving: bool = False) -> Flask:
    """The application. One that only serves has no commands.

    Raises `SettingsError` with one line for each setting that is missing or malformed.
    """
    settings = settings or load_settings()
    configure_logs(as_json=settings.log_json)
    app = APIFlask(
        "dashboard",
        title="Countinghouse API",
        version=API_VERSION,
        spec_path="/api/openapi.json",
        docs_path=None,
        json_errors=False,
        root_path=str(ROOT),
        template_folder="templates",
        static_folder="static",
    )
    app.config.update(
        SECRET_KEY=settings.secret_key.get_secret_value(),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": settings.database_pool_size,
            "max_overflow": 4,
            # The one used last comes first: what a connection has prepared and buffered is then on few of them.
            "pool_use_lifo": True,
            # An error's text goes to the log, and a statement's parameters are tenants' data.
            "hide_parameters": True,
            "connect_args": {"options": "-c timezone=UTC -c jit=off", "connect_timeout": 5},
        },
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_HTTPONLY=True,
        WTF_CSRF_TIME_LIMIT=None,
        MAX_CONTENT_LENGTH=4 * 1024 * 1024,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    db.init_app(app)
    with app.app_context():
        discard_dead_connections(db.engine)
        keep_prepared_statements(db.engine)
    wire(app, settings)
    web.register(app, settings)
    if not serving:
        _add_commands(app)
    return app


def _add_commands(app: Flask) -> None:
    # Imported here: Alembic takes 10 MB and our own commands 4 that every web process would hold for nothing.
    from flask_migrate import Migrate

    from dashboard import cli

    Migrate(app, db, directory=str(ROOT / "migrations"), compare_type=True)
    cli.register(app)


__all__ = ["create_app", "models"]
