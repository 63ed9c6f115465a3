"""Notices: the list behind the bell, marking them as read, and whether they come by mail."""

from __future__ import annotations

from flask import flash, g, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.notices import notices
from dashboard.billing.notices.notices import PAGE
from dashboard.billing.tenants import members
from dashboard.models import Role
from dashboard.web.audit import audit
from dashboard.web.tenant import blueprint
from dashboard.wiring import session, wiring
from dashboard.wording import page_of, words_of


@blueprint.get("/notices", endpoint="notices")
def index() -> str:
    """The newest notices; `?before=` is the id the next page begins below."""
    before = request.args.get("before", type=int)
    found = notices.list_notices(
        session(), g.tenant.id, PAGE + 1, before=max(before, 0) if before is not None else None
    )
    member = None
    if g.role in set(Role):
        member = members.find_member(session(), g.tenant.id, current_user.id)
    return render_template(
        "tenant/notices/index.html",
        notices=[(each, words_of(each), page_of(each)) for each in found[:PAGE]],
        next_before=found[PAGE - 1].id if len(found) > PAGE else None,
        read_up_to=notices.read_up_to(session(), g.tenant.id, current_user.id),
        member=member,
        has_mail=wiring().mail is not None,
    )


@blueprint.post("/notices/read")
def mark_notices_read() -> Response:
    """Mark the notice `up_to` and all before it as read."""
    up_to = request.form.get("up_to", 0, type=int)
    page = url_for("tenant.notices", tenant_id=g.tenant.id)
    notices.mark_read(session(), g.tenant.id, current_user.id, max(up_to, 0))
    session().commit()
    return redirect(page, 303)


@blueprint.post("/notices/mail")
def update_notice_mail() -> Response:
    """Whether the reader's own notices come by mail too."""
    wants_mail = request.form.get("wants_mail") == "yes"
    page = url_for("tenant.notices", tenant_id=g.tenant.id)
    members.set_wants_mail(session(), g.tenant.id, current_user.id, wants_mail=wants_mail)
    audit("member.mail_changed", current_user.email, {"wants_mail": wants_mail})
    session().commit()
    flash("Notices come by e-mail from now on." if wants_mail else "Notices come in the dashboard only.", "info")
    return redirect(page, 303)
