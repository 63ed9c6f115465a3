"""API keys of a tenant: the list, a new one (shown once), and revoking one."""

from __future__ import annotations

from datetime import timedelta

from flask import abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import InvalidInput
from dashboard.billing.tenants.api_keys import ALL_SCOPES, create_api_key, find_api_key, list_api_keys, revoke_api_key
from dashboard.web.api.known_callers import known_callers
from dashboard.web.audit import audit
from dashboard.web.tenant import blueprint, require_buyer
from dashboard.wiring import now, session

LIVES = {"": "No end", "30": "30 days", "90": "90 days", "365": "1 year"}


@blueprint.get("/settings/api-keys")
def api_keys() -> str:
    """All keys, and the form for a new one."""
    require_buyer()
    return _page()


@blueprint.post("/settings/api-keys")
def create_key() -> ResponseReturnValue:
    """Make a key and show it: this answer is the only place where it ever stands."""
    require_buyer()
    life = request.form.get("life", "")
    if life not in LIVES:
        abort(400, f"life: must be empty or one of {', '.join(filter(None, LIVES))} (days).")
    try:
        key = create_api_key(
            session(),
            g.tenant.id,
            request.form.get("name", ""),
            now(),
            scopes=request.form.getlist("scopes"),
            expires_at=now() + timedelta(days=int(life)) if life else None,
            created_by=current_user.email,
        )
    except InvalidInput as error:
        return _page(errors={error.field: error.message}), 422
    audit(
        "api_key.created",
        request.form["name"],
        {"scopes": ", ".join(request.form.getlist("scopes")), "days": life or None},
    )
    session().commit()
    return _page(new_key=key), 201


@blueprint.get("/settings/api-keys/<int:key_id>/revoke")
def confirm_revoke(key_id: int) -> str:
    """Say what revoking does, and ask."""
    require_buyer()
    return render_template("tenant/settings/revoke_key.html", key=find_api_key(session(), g.tenant.id, key_id))


@blueprint.post("/settings/api-keys/<int:key_id>/revoke")
def revoke_key(key_id: int) -> Response:
    """Revoke a key."""
    require_buyer()
    key = revoke_api_key(session(), g.tenant.id, key_id, now())
    audit("api_key.revoked", key.name, {"last_four": key.last_four})
    session().commit()
    known_callers.forget()
    flash(f"{key.name} is revoked: calls with it are refused.", "ok")
    return redirect(url_for("tenant.api_keys", tenant_id=g.tenant.id), 303)


def _page(*, new_key: str | None = None, errors: dict[str, str] | None = None) -> str:
    return render_template(
        "tenant/settings/api_keys.html",
        keys=list_api_keys(session(), g.tenant.id),
        scopes=ALL_SCOPES,
        lives=LIVES,
        new_key=new_key,
        errors=errors or {},
        given=request.form if errors else {},
        chosen=request.form.getlist("scopes") if errors else [],
    )
