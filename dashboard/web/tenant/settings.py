"""General settings of a tenant: name, billing contact, locale and time zone."""

from __future__ import annotations

from collections.abc import Mapping

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard.billing.errors import InvalidInput
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.billing.tenants.tenant_settings import FIELDS, change_settings, read_settings
from dashboard.locales import list_locales, list_zones
from dashboard.web.audit import audit
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.wiring import session, wiring


@blueprint.get("/settings")
def settings() -> str:
    """The settings, to read or to change."""
    return _page(read_settings(g.tenant), {})


@blueprint.post("/settings")
def update_settings() -> ResponseReturnValue:
    """Change them, at Stripe too where it keeps them."""
    require_buyer()
    given = {name: request.form.get(name, "") for name in FIELDS}
    tenant_id = g.tenant.id
    try:
        differs = change_settings(session(), tenant_id, given, wiring().billing)
    except InvalidInput as error:
        session().rollback()
        return _page(given, {error.field: error.message}), 422
    except ProviderRefused as refusal:
        session().rollback()
        return _page(given, {"billing_email": f"was refused by Stripe: {refusal}"}), 422
    if differs:
        audit("tenant.changed", g.tenant.name, differs)
    session().commit()
    flash("Saved." if differs else "Nothing was changed.", "info")
    return redirect(url_for("tenant.settings", tenant_id=tenant_id), 303)


def _page(given: Mapping[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "tenant/settings/general.html",
        given=given,
        errors=errors,
        zones=list_zones(),
        locales=list_locales(),
        may_change=g.role in BUYERS,
    )
