"""Who calls the API: a bearer key of one tenant."""

from __future__ import annotations

import json
from uuid import uuid4

from flask import abort, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from dashboard.billing.accounts import tenant_id_of_key
from dashboard.billing.usage_input import clean_text
from dashboard.wiring import session


def require_key() -> None:
    """Put the key's tenant where the view finds it, or stop with 401."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    tenant_id = tenant_id_of_key(session(), key.strip()) if scheme.lower() == "bearer" else None
    if tenant_id is None:
        raise Unauthorized("Send your key as: Authorization: Bearer ch_…", www_authenticate=WWWAuthenticate("bearer"))
    g.tenant_id = tenant_id


def json_body() -> object:
    """The request's JSON, or 400 with what is wrong."""
    if not request.is_json:
        abort(415, "Send JSON, with Content-Type: application/json.")
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError):
        abort(400, "The body is not valid JSON, or nested too deeply.")


def idempotency_key() -> str:
    """The request's `Idempotency-Key`; a fresh one where the caller sent none.

    Raises `InvalidInput`.
    """
    given = request.headers.get("Idempotency-Key", str(uuid4()))
    return clean_text(given, "Idempotency-Key", required=True) or ""
