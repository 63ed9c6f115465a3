"""Members of a tenant: the list, roles, letting one go; inviting, sending an invitation again, withdrawing it."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.wrappers import Response

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.notices import mails
from dashboard.billing.tenants import invitations, members
from dashboard.jobs.mails import enqueue_due_mails
from dashboard.web.audit import audit
from dashboard.web.tenant import blueprint, require_buyer
from dashboard.wiring import now, session, wiring


@blueprint.get("/settings/members", endpoint="members")
def index() -> str:
    """Members and open invitations, and the form for another."""
    return _page()


@blueprint.post("/settings/members/<int:user_id>")
def update_member(user_id: int) -> Response:
    """Give a member another role."""
    require_buyer()

    def change() -> str:
        role = request.form.get("role", "")
        before = members.change_role(session(), g.tenant.id, user_id, role, acting_role=g.role)
        if before.role == role:
            return f"{before.name} is {_a(role)} already."
        audit("member.role_changed", before.email, {"role": [before.role, role]})
        return f"{before.name} is {_a(role)} now."

    return _or_say_why(change)


@blueprint.get("/settings/members/<int:user_id>/remove")
def confirm_remove_member(user_id: int) -> str:
    """Say what removing means, and ask."""
    if user_id != current_user.id:
        require_buyer()
    return render_template(
        "tenant/settings/remove_member.html", member=members.find_member(session(), g.tenant.id, user_id)
    )


@blueprint.post("/settings/members/<int:user_id>/remove")
def remove_member(user_id: int) -> Response:
    """Let a member go; anybody may go by themselves."""
    is_self = user_id == current_user.id
    if not is_self:
        require_buyer()

    def remove() -> str:
        gone = members.remove_member(session(), g.tenant.id, user_id, acting_role=g.role, by_themselves=is_self)
        audit("member.removed", gone.email, {"role": gone.role})
        return f"{gone.name} is no member any more."

    return _or_say_why(remove, leads_home=is_self)


@blueprint.post("/settings/invitations")
def invite_member() -> ResponseReturnValue:
    """Invite somebody by e-mail."""
    require_buyer()
    if wiring().mail is None:
        flash("This installation has no mail server, so nobody can be invited. Its operator sets MAIL_URL.", "error")
        return redirect(_index(), 303)
    given = {name: request.form.get(name, "") for name in ("email", "role")}
    try:
        invitation = invitations.invite(
            session(),
            g.tenant.id,
            email=given["email"],
            role=given["role"],
            acting_role=g.role,
            invited_by=current_user.email,
            now=now(),
        )
    except InvalidInput as error:
        session().rollback()
        return _page(given, {error.field: error.message}), 422
    audit("member.invited", invitation.email, {"role": invitation.role})
    return _mailed(f"An invitation is on its way to {invitation.email}.")


@blueprint.post("/settings/invitations/<int:invitation_id>/again")
def resend_invitation(invitation_id: int) -> Response:
    """Send an invitation again, with a new link."""
    require_buyer()
    try:
        found = invitations.invite_again(session(), g.tenant.id, invitation_id, acting_role=g.role, now=now())
    except NotNow as reason:
        return _back(str(reason))
    audit("member.invited_again", found.email, {"role": found.role})
    return _mailed(f"A new invitation is on its way to {found.email}; the link in the old mail works no more.")


@blueprint.post("/settings/invitations/<int:invitation_id>/withdraw")
def withdraw_invitation(invitation_id: int) -> Response:
    """Take an invitation back."""
    require_buyer()

    def withdraw() -> str:
        found = invitations.withdraw(session(), g.tenant.id, invitation_id, acting_role=g.role, now=now())
        audit("member.invitation_withdrawn", found.email, {"role": found.role})
        return f"The invitation of {found.email} is withdrawn."

    return _or_say_why(withdraw)


def _page(given: dict[str, str] | None = None, errors: dict[str, str] | None = None) -> str:
    waiting = invitations.list_open(session(), g.tenant.id)
    return render_template(
        "tenant/settings/members.html",
        members=members.list_members(session(), g.tenant.id),
        invitations=waiting,
        mails=mails.mails_of_invitations(session(), g.tenant.id, [each.id for each in waiting]),
        manages=members.MANAGES.get(g.role, ()),
        hints=members.ROLE_HINTS,
        given=given or {},
        errors=errors or {},
        has_mail=wiring().mail is not None,
    )


def _or_say_why(do: Callable[[], str], *, leads_home: bool = False) -> Response:
    """Do it and say so, or say why it cannot be done. Nothing was changed then."""
    page = _index()
    try:
        said = do()
    except NotNow as reason:
        return _back(str(reason))
    except InvalidInput as wrong:
        return _back(f"{wrong.field.capitalize()} {wrong.message}.")
    session().commit()
    flash(said, "info")
    return redirect(url_for("auth.home") if leads_home else page, 303)


def _mailed(said: str) -> Response:
    page = _index()
    session().commit()
    enqueue_due_mails()
    flash(said, "info")
    return redirect(page, 303)


def _back(message: str) -> Response:
    page = _index()
    session().rollback()
    flash(message, "error")
    return redirect(page, 303)


def _index() -> str:
    return url_for("tenant.members", tenant_id=g.tenant.id)


def _a(role: str) -> str:
    return f"{'a' if role == 'viewer' else 'an'} {role}"
