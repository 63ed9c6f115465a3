"""What the pages about plans and payment share: why something was refused, said on the page it came from."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from flask import flash, redirect, request
from werkzeug.wrappers import Response

from dashboard.billing.errors import IdempotencyConflict, InvalidInput, NotNow
from dashboard.billing.fields import need_text
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.wiring import session


def or_say_why(page: str, do: Callable[[], Response]) -> Response:
    """What `do` answers, or back to `page` with the reason why it was refused. Nothing was changed then."""
    try:
        return do()
    except NotNow as reason:
        return _back(page, str(reason))
    except InvalidInput as wrong:
        return _back(page, f"{wrong.field.replace('_', ' ').capitalize()} {wrong.message}.")
    except IdempotencyConflict:
        return _back(page, "This page was out of date. Please try again.")
    except ProviderRefused as refusal:
        return _back(page, f"Stripe refused: {refusal}")


def _back(page: str, message: str) -> Response:
    session().rollback()
    flash(message, "error")
    return redirect(page, 303)


def form_key(action: str) -> str:
    """The key of this action by the page that its form stands on: sending the form twice does it once."""
    given = request.form.get("request_key") or uuid4().hex
    return need_text(f"{action}-{given}", "request_key")
