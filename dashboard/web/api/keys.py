"""Who calls the API: a bearer key of one tenant, and what this key may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from flask import Response, current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from dashboard.billing.fields import need_text
from dashboard.billing.tenants.api_keys import Scope
from dashboard.web.api.known_callers import known_callers
from dashboard.web.api.queries import refuse_query
from dashboard.web.api.request_counter import count_api_request
from dashboard.web.errors import answer
from dashboard.wiring import now, session

View = TypeVar("View", bound=Callable[..., Any])


def require_scope(scope: str) -> Callable[[View], View]:
    """Say which scope a view needs; `require_key` refuses keys without it. The view itself is not wrapped."""
    needed = Scope(scope)

    def mark(view: View) -> View:
        view.required_scope = needed  # type: ignore[attr-defined]
        return view

    return mark


def required_scope(view: object) -> Scope | None:
    """The scope that a view needs, None when every key of the tenant will do."""
    found: Scope | None = getattr(view, "required_scope", None)
    return found


def bearer_of(header: str) -> str | None:
    """The key in an `Authorization` header, or None."""
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def require_key() -> Response | None:
    """Put the key's tenant and name where the view finds them and count the call, or stop with 401 or 403.

    It costs one indexed query a second for each key. Raises `InvalidInput` for a parameter where the view has none.
    """
    key = bearer_of(request.headers.get("Authorization", ""))
    caller = known_callers.find(session(), key, now()) if key is not None else None
    if caller is None:
        raise Unauthorized("Send your key as: Authorization: Bearer ch_…", www_authenticate=WWWAuthenticate("bearer"))
    g.tenant_id, g.api_key_id, g.api_key_name = caller.tenant_id, caller.key_id, caller.key_name
    view = current_app.view_functions[request.endpoint or ""]
    scope = required_scope(view)
    if scope is not None and scope not in caller.scopes:
        return answer(403, f"This key lacks the scope {scope}. Create one that has it.", scope=scope)
    count_api_request(caller)
    refuse_query(view)
    return None


def idempotency_key() -> str:
    """The request's `Idempotency-Key`; a fresh one where the caller sent none.

    Raises `InvalidInput`.
    """
    given = request.headers.get("Idempotency-Key", str(uuid4()))
    return need_text(given, "Idempotency-Key")
