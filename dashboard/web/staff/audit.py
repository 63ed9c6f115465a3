"""What staff did that is about no tenant, or about all of them."""

from __future__ import annotations

from functools import partial

from flask import url_for
from flask.typing import ResponseReturnValue

from dashboard.web.audit_pages import show_audit
from dashboard.web.staff import blueprint


@blueprint.get("/audit", endpoint="audit")
def index() -> ResponseReturnValue:
    """Filters as `show_audit` says."""
    return show_audit(None, "staff/audit/index.html", partial(url_for, "staff.audit"))
