"""The audit trail of a tenant: who did what and when."""

from __future__ import annotations

from functools import partial

from flask import abort, g, url_for
from flask.typing import ResponseReturnValue

from dashboard.web.audit_pages import show_audit
from dashboard.web.tenant import BUYERS, blueprint


@blueprint.get("/settings/audit", endpoint="audit")
def index() -> ResponseReturnValue:
    """For its owner and admins, and for staff who view it; filters as `show_audit` says."""
    if g.role not in (*BUYERS, "staff"):
        abort(403, "Only an owner or admin of this account can see who did what.")
    link = partial(url_for, "tenant.audit", tenant_id=g.tenant.id)
    return show_audit(g.tenant.id, "tenant/settings/audit.html", link)
