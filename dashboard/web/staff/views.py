"""Looking at a tenant's pages as staff: asking why, beginning, and stopping."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import InvalidInput
from dashboard.billing.staff.staff_views import LONGEST_REASON, start_view, stop_view
from dashboard.billing.staff.tenant_story import find_header
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session


@blueprint.get("/tenants/<int:tenant_id>/view")
def ask_view(tenant_id: int) -> str:
    """Ask for the reason; `?to=` is the tenant's page to go to then."""
    return _ask(tenant_id, request.args.get("to", ""))


@blueprint.post("/tenants/<int:tenant_id>/view")
def begin_view(tenant_id: int) -> ResponseReturnValue:
    """Begin to view the tenant's pages, and go to one."""
    to, reason = request.form.get("to", ""), request.form.get("reason", "")
    try:
        start_view(session(), current_user.user, tenant_id, reason, now())
    except InvalidInput as error:
        return _ask(tenant_id, to, reason, error), 422
    session().commit()
    return redirect(_page_of(tenant_id, to) or url_for("tenant.usage", tenant_id=tenant_id), 303)


@blueprint.post("/view/stop")
def end_view() -> Response:
    """Stop viewing, and go back to the tenant's story."""
    tenant_id = stop_view(session(), current_user.user, now())
    session().commit()
    if tenant_id is None:
        flash("Your view had ended already.", "info")
        return redirect(url_for("staff.tenants"), 303)
    flash("You have stopped viewing as staff.", "info")
    return redirect(url_for("staff.tenant", tenant_id=tenant_id), 303)


def _ask(tenant_id: int, to: str, reason: str = "", error: InvalidInput | None = None) -> str:
    return render_template(
        "staff/tenants/view.html",
        header=find_header(session(), tenant_id, now()),
        to=_page_of(tenant_id, to) or "",
        reason=reason,
        longest=LONGEST_REASON,
        error=error,
    )


def _page_of(tenant_id: int, target: str) -> str | None:
    """Only a page of this tenant: an address of our own that leads there and nowhere else."""
    try:
        path = urlsplit(target).path
    except ValueError:
        return None
    is_own = target.startswith(f"/tenants/{tenant_id}/") and target.isprintable() and "\\" not in target
    return target if is_own and ".." not in path.split("/") else None
