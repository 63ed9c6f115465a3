"""Who calls the API: a bearer key of one tenant."""

from __future__ import annotations

import json
from uuid import uuid4

from flask import abort, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from dashboard.billing.accounts import find_api_key
from dashboard.billing.usage_input import clean_text
from dashboard.web.api.request_counter import count_api_request
from dashboard.wiring import session


def require_key() -> None:
    """Put the key's tenant and name where the view finds them and count the call, or stop with 401."""
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    key = find_api_key(session(), sent.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise Unauthorized("Send your key as: Authorization: Bearer ch_…", www_authenticate=WWWAuthenticate("bearer"))
    g.tenant_id, g.key_name = key.tenant_id, key.name
    count_api_request(key)


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
