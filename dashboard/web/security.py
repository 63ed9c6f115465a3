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


def fixed_headers(settings: Settings) -> list[tuple[str, str]]:
    """What stands in the head of every answer."""
    headers = [
        ("Content-Security-Policy", content_security_policy(settings)),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
    ]
    if settings.public_url.startswith("https://"):
        headers.append(("Strict-Transport-Security", "max-age=31536000"))
    return headers


NOT_KEPT = ("Cache-Control", "private, no-store")


def register(app: Flask, settings: Settings) -> None:
    """Protect forms, and set the headers."""
    csrf.init_app(app)
    headers = fixed_headers(settings)

    @app.before_request
    def refuse_nul() -> None:
        # No address of ours holds one, and PostgreSQL would not take it.
        if "\x00" in request.path:
            abort(404)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in headers:
            response.headers[name] = value
        if request.endpoint != "static":
            response.headers.setdefault(*NOT_KEPT)
            response.vary.update(("Cookie", "HX-Request", "HX-Request-Type"))
        return response
