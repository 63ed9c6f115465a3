"""Errors in the form the asker reads: a page for people, `application/problem+json` (RFC 9457) for machines."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import Flask, Response, g, jsonify, make_response, render_template, request
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from dashboard.billing.errors import (
    AlreadyCorrected,
    IdempotencyConflict,
    InvalidInput,
    NotFound,
    NotNow,
    PaymentOverdue,
)
from dashboard.billing.limits.limit_notices import tell_refused
from dashboard.billing.limits.quotas import CapReached
from dashboard.billing.plans.plans import catalog
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.wiring import now, session

log = structlog.get_logger()
PAGES = {400, 403, 404, 429, 500}


def answer(status: int, detail: str, **more: object) -> Response:
    """One error, as a page or as problem+json."""
    title = HTTPStatus(status).phrase
    if request.path.startswith("/api/"):
        response = jsonify({"type": "about:blank", "title": title, "status": status, "detail": detail, **more})
        response.content_type = "application/problem+json"
    else:
        page = status if status in PAGES else (500 if status >= 500 else 400)
        response = make_response(render_template(f"errors/{page}.html", detail=detail, status=status))
    response.status_code = status
    return response


def _tell_refused(refusal: CapReached) -> None:
    """Have the tenant's people know; what was refused is undone already. Whatever fails here, the answer stays 402."""
    session().rollback()
    try:
        if tell_refused(session(), refusal, g.tenant_id, catalog().currency, now()):
            session().commit()
    except SQLAlchemyError as error:
        session().rollback()
        log.warning("a refusal could not be told", error=str(error))


def register(app: Flask) -> None:
    """Handle the domain's errors and Flask's own."""

    @app.errorhandler(InvalidInput)
    def invalid_input(error: InvalidInput) -> Response:
        return answer(422, str(error), field=error.field, allowed=error.message)

    @app.errorhandler(IdempotencyConflict)
    def conflict(error: IdempotencyConflict) -> Response:
        return answer(409, str(error), field="idempotency_key")

    @app.errorhandler(AlreadyCorrected)
    def already_corrected(error: AlreadyCorrected) -> Response:
        return answer(409, str(error), field="corrects_id")

    @app.errorhandler(CapReached)
    def cap_reached(error: CapReached) -> Response:
        _tell_refused(error)
        return answer(
            402,
            str(error),
            field="usage_type",
            usage_type=error.usage_type,
            reason=error.reason,
            limit=error.limit,
            used=error.used,
            reserved=error.reserved,
            asked=error.asked,
        )

    @app.errorhandler(NotNow)
    def not_now(error: NotNow) -> Response:
        return answer(409, str(error))

    @app.errorhandler(PaymentOverdue)
    def payment_overdue(error: PaymentOverdue) -> Response:
        return answer(402, str(error), reason="payment", subscription_status=error.status, invoice_id=error.invoice_id)

    @app.errorhandler(NotFound)
    def not_found(_: NotFound) -> Response:
        return answer(404, "There is nothing here.")

    @app.errorhandler(ProviderRefused)
    def refused(error: ProviderRefused) -> Response:
        return answer(422, str(error), **({"field": error.param} if error.param else {}))

    @app.errorhandler(ProviderUnavailable)
    def unavailable(error: ProviderUnavailable) -> Response:
        log.warning("provider unavailable", error=str(error), path=request.path)
        response = answer(503, f"{error}. Please try again in a moment.")
        response.headers["Retry-After"] = "5"
        return response

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeout)
    def database_away(error: OperationalError | PoolTimeout) -> Response:
        # A webhook answered so is sent again.
        log.error("database out of reach", path=request.path, method=request.method, error=str(error))
        detail = "The database cannot be reached. Please try again in a moment."
        if request.path.startswith("/api/"):
            response = answer(503, detail)
        else:
            # Without what templates are given elsewhere: the reader is in the database.
            response = make_response(app.jinja_env.get_template("errors/503.html").render(detail=detail), 503)
        response.headers["Retry-After"] = "5"
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.code is None or error.code < 400:
            return make_response(error.get_response())
        response = answer(error.code, error.description or "")
        for name, value in error.get_headers():
            if name in {"Allow", "Retry-After", "WWW-Authenticate"}:
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        session().rollback()
        log.error("unexpected error", path=request.path, method=request.method, exc_info=error)
        return answer(500, "Something went wrong on our side. It is in our log.")
