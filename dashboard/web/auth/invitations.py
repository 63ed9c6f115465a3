"""Taking an invitation up: with a new account, or with the one that its address has."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.tenants import invitations
from dashboard.billing.tenants.accounts import MIN_PASSWORD
from dashboard.billing.tenants.audit import Actor, record_audit
from dashboard.billing.tenants.standing import Person
from dashboard.models import Invitation, Tenant, User
from dashboard.web.auth.account import Account
from dashboard.wiring import now, session, wiring

blueprint = Blueprint("invitations", __name__, url_prefix="/invitations")


@blueprint.get("/<token>")
def show(token: str) -> ResponseReturnValue:
    """What the invitation is for, and what is needed to take it up."""
    try:
        return _page(_find(token), token)
    except NotNow as reason:
        return _over(reason)


@blueprint.post("/<token>")
def accept(token: str) -> ResponseReturnValue:
    """Take it up."""
    try:
        invitation = _find(token)
        user = invitations.find_invited_user(session(), invitation)
        if current_user.is_authenticated:
            user = current_user.user
            invitations.accept(session(), invitation, user, now())
        elif user is None:
            user = _make_account(invitation)
        else:
            return redirect(url_for("auth.login", next=url_for("invitations.show", token=token)), 303)
    except NotNow as reason:
        session().rollback()
        return _over(reason)
    except InvalidInput as error:
        session().rollback()
        return _page(_find(token), token, {error.field: error.message}), 422
    return _welcome(invitation, user)


def _find(token: str) -> Invitation:
    return invitations.find_by_token(session(), wiring().settings.signing_key, token, now())


def _make_account(invitation: Invitation) -> User:
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        raise InvalidInput("again", "must be the same as the password")
    return invitations.accept_as_new(
        session(), invitation, name=request.form.get("name", ""), password=password, now=now()
    )


def _welcome(invitation: Invitation, user: User) -> ResponseReturnValue:
    tenant_id = invitation.tenant_id
    record_audit(
        session(),
        actor=Actor(user.email),
        tenant_id=tenant_id,
        action="member.joined",
        subject=user.email,
        details={"role": invitation.role, "invited_by": invitation.invited_by},
        now=now(),
    )
    session().commit()
    if not current_user.is_authenticated:
        # As after a login: nothing of whoever sat here before stays.
        cookie.clear()
        login_user(Account(Person(user)))
    flash("Welcome: you are a member now.", "info")
    return redirect(url_for("tenant.usage", tenant_id=tenant_id), 303)


def _page(invitation: Invitation, token: str, errors: dict[str, str] | None = None) -> str:
    reader = current_user.email if current_user.is_authenticated else None
    return render_template(
        "auth/invitation.html",
        invitation=invitation,
        tenant_name=session().get_one(Tenant, invitation.tenant_id).name,
        token=token,
        reader=reader,
        has_account=invitations.find_invited_user(session(), invitation) is not None,
        given=request.form,
        errors=errors or {},
        min_password=MIN_PASSWORD,
    )


def _over(reason: NotNow) -> tuple[str, int]:
    return render_template("auth/invitation_over.html", reason=str(reason)), 410
