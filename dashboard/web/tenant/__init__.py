"""A tenant's pages. Who is no member finds nothing here, not even that the tenant exists."""

from __future__ import annotations

from flask import Blueprint, abort, g, request
from flask_login import current_user, login_required

from dashboard.billing.accounts import role_of
from dashboard.models import Tenant
from dashboard.wiring import session

blueprint = Blueprint("tenant", __name__, url_prefix="/tenants/<int:tenant_id>")
BUYERS = ("owner", "admin")


@blueprint.before_request
@login_required
def find_tenant() -> None:
    """Put the tenant and the reader's role where the view finds them."""
    tenant_id = (request.view_args or {}).pop("tenant_id")
    tenant = session().get(Tenant, tenant_id)
    role = role_of(session(), current_user, tenant_id) if tenant else None
    if tenant is None or role is None:
        abort(404, "There is nothing here.")
    g.tenant, g.role = tenant, role


def require_buyer() -> None:
    """Stop whoever may not spend the tenant's money."""
    if g.role not in BUYERS:
        abort(403, "Only an owner or admin of this account can do that.")


from dashboard.web.tenant import (  # noqa: E402 (they add their views)
    api_keys,  # noqa: F401
    invoices,  # noqa: F401
    late_usage,  # noqa: F401
    payment_methods,  # noqa: F401
    plan_changes,  # noqa: F401
    plans,  # noqa: F401
    subscription,  # noqa: F401
    syncs,  # noqa: F401
    usage,  # noqa: F401
    webhooks,  # noqa: F401
)
