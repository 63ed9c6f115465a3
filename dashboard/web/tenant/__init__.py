"""A tenant's pages. Who is no member finds nothing here, not even that the tenant exists.

Staff see them through a read-only view that they have begun (docs/decisions/0044).
"""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, request, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from dashboard.billing.mirror.billing_state import find_state
from dashboard.locales import reader_of
from dashboard.models import Tenant
from dashboard.web.viewing import SAFE, current_view
from dashboard.wiring import session

blueprint = Blueprint("tenant", __name__, url_prefix="/tenants/<int:tenant_id>")
BUYERS = ("owner", "admin")


@blueprint.before_request
@login_required
def find_tenant() -> Response | None:
    """Put the tenant and the reader's role where the view finds them."""
    tenant_id = (request.view_args or {}).pop("tenant_id")
    standing = current_user.standing
    view = current_view()
    if view and view.tenant_id == tenant_id:
        if request.method not in SAFE:
            abort(403, "You view this account as staff, read-only. Stop the view to do something yourself.")
        g.tenant, g.role = session().get_one(Tenant, tenant_id), "staff"
        g.billing = find_state(session(), tenant_id)
    elif standing is None:
        return _turn_away(tenant_id)
    else:
        g.tenant, g.role, g.billing, g.unread = standing.tenant, standing.role, standing.billing, standing.unread
    g.reader = reader_of(g.tenant.locale, g.tenant.time_zone)
    return None


def _turn_away(tenant_id: int) -> Response:
    if not current_user.is_staff or session().get(Tenant, tenant_id) is None:
        abort(404, "There is nothing here.")
    if request.method not in SAFE:
        abort(403, "Staff look at a tenant's pages read-only, and change nothing there.")
    return redirect(url_for("staff.ask_view", tenant_id=tenant_id, to=request.full_path.rstrip("?")), 303)


def require_buyer() -> None:
    """Stop whoever may not spend the tenant's money."""
    if g.role not in BUYERS:
        abort(403, "Only an owner or admin of this account can do that.")


from dashboard.web.tenant import (  # noqa: E402 (they add their views)
    alerts,  # noqa: F401
    api_keys,  # noqa: F401
    audit,  # noqa: F401
    checked_invoices,  # noqa: F401
    invoice_lines,  # noqa: F401
    invoices,  # noqa: F401
    late_usage,  # noqa: F401
    members,  # noqa: F401
    notices,  # noqa: F401
    overview,  # noqa: F401
    payment_methods,  # noqa: F401
    plan_changes,  # noqa: F401
    plans,  # noqa: F401
    settings,  # noqa: F401
    subscription,  # noqa: F401
    syncs,  # noqa: F401
    upcoming_invoice,  # noqa: F401
    usage,  # noqa: F401
    usage_actions,  # noqa: F401
    webhooks,  # noqa: F401
)
