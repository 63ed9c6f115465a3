"""Headers of every answer, and the guard against forged forms."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from flask_wtf.csrf import CSRFProtect

from dashboard.config import Settings

csrf = CSRFProtect()

# Chrome applies form-action to the redirect after a form too: checkout and portal begin with one.
STRIPE_PAGES = "https://checkout.stripe.com https://billing.stripe.com"


def content_security_policy(settings: Settings) -> str:
    """Nothing but our own files; forms may lead to Stripe's hosted pages."""
    hosted = STRIPE_PAGES
    if settings.uses_sandbox:
        base = urlsplit(settings.stripe_api_base or "")
        hosted = f"{base.scheme}://{base.netloc}"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            f"form-action 'self' {hosted}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def register(app: Flask, settings: Settings) -> None:
    """Protect forms, and set the headers."""
    csrf.init_app(app)
    policy = content_security_policy(settings)

    @app.before_request
    def refuse_nul() -> None:
        # No address of ours holds one, and PostgreSQL would not take it.
        if "\x00" in request.path:
            abort(404)

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if settings.public_url.startswith("https://"):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "private, no-store")
            response.vary.update(("Cookie", "HX-Request", "HX-Request-Type"))
        return response
