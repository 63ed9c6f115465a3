"""The settings of a tenant: general, members, invitations; who may, what is refused, what is written down."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from dashboard.billing.tenants.audit import list_audit
from dashboard.database import db
from dashboard.models import Invitation, Membership, Role, Tenant, User
from dashboard.wiring import unit_of_work, wiring
from tests.factories import PASSWORD, make_user
from tests.mail_server import MailServer
from tests.platform import csrf_of, log_in, new_tenant, set_up_stripe, work_off
from tests.sandbox_server import SandboxServer

GENERAL = {"name": "Acme", "billing_email": "money@acme.example", "time_zone": "Europe/Berlin", "locale": "de-DE"}
NASTY = "<script>alert(1)</script> \u202eكلمة \U0001f600"


@pytest.fixture
def more_settings(mail_server: MailServer) -> dict[str, object]:
    return mail_server.settings


def post(browser: FlaskClient, path: str, **form: str) -> TestResponse:
    """Send a form; every page has a token, in its button to log out."""
    token = csrf_of(browser.get("/", follow_redirects=True))
    return browser.post(path, data={"csrf_token": token, **form})


def acts(tenant_id: int) -> list[tuple[str, str]]:
    """(action, subject) of the trail, the oldest first."""
    with unit_of_work() as session:
        return [(each.action, each.subject) for each in reversed(list_audit(session, tenant_id)[0])]


def member(tenant_id: int, role: Role) -> tuple[int, str]:
    """Another member: their id and address."""
    with unit_of_work() as session:
        user = make_user(session, session.get_one(Tenant, tenant_id), role)
        return user.id, user.email


def role_in(tenant_id: int, user_id: int) -> str | None:
    db.session.remove()
    return db.session.scalar(
        select(Membership.role).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
    )


def link_in(mail_server: MailServer, address: str) -> str:
    return re.findall(r"http://127\.0\.0\.1:5000(/invitations/\S+)", mail_server.text_for(address))[0]


def test_general_settings_are_followed_by_pages_and_by_stripe(
    app: Flask, tenant_id: int, sandbox: SandboxServer
) -> None:
    set_up_stripe()
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        customer = wiring().billing.create_customer(tenant_id=tenant_id, name="Old", email="old@acme.example")
        tenant.stripe_customer_id = customer
    browser = log_in(app, tenant_id)
    page = f"/tenants/{tenant_id}/settings"
    assert post(browser, page, **GENERAL).status_code == 303
    shown = browser.get(page).text
    assert 'value="money@acme.example"' in shown
    assert "1.234.567,5" in shown
    assert re.search(r"\d\d:\d\d CES?T", shown)
    found = wiring().stripe_client.v1.customers.retrieve(customer)
    assert (found.name, found.email) == ("Acme", "money@acme.example")
    with unit_of_work() as session:
        (entry,) = list_audit(session, tenant_id)[0]
        assert entry.details["locale"] == ["en-US", "de-DE"]
    assert (
        "Nothing was changed."
        in browser.post(page, data={"csrf_token": csrf_of(browser.get(page)), **GENERAL}, follow_redirects=True).text
    )
    assert len(acts(tenant_id)) == 1


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "Name must be a text of 1 to 200 characters."),
        ("name", "Acme\r\nBcc: all@example.com", "Name must be one line without control characters."),
        ("billing_email", "a@b.example\nBcc: c@d.example", "Billing contact must be an email address."),
        ("billing_email", "nobody", "Billing contact must be an email address."),
        ("time_zone", "Mars/Base", "Time zone must be UTC or the name of a place"),
        ("locale", "xx-XX", "must be a language with its country, such as en-US"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_changed(
    app: Flask, tenant_id: int, field: str, value: str, says: str
) -> None:
    answer = post(log_in(app, tenant_id), f"/tenants/{tenant_id}/settings", **{**GENERAL, field: value})
    assert answer.status_code == 422
    assert says in answer.text
    assert acts(tenant_id) == []


def test_who_may_do_what_with_members(app: Flask, tenant_id: int) -> None:
    owner = log_in(app, tenant_id)
    viewer_id, _ = member(tenant_id, Role.VIEWER)
    owner_id, _ = member(tenant_id, Role.OWNER)
    page = f"/tenants/{tenant_id}/settings/members"
    for role, staff in ((Role.VIEWER, False), (Role.VIEWER, True)):
        browser = log_in(app, None if staff else tenant_id, role, staff=staff)
        assert "Send invitation" not in browser.get(page).text
        assert post(browser, f"{page}/{viewer_id}", role="admin").status_code == 403
        assert post(browser, f"{page}/{viewer_id}/remove").status_code == 403
        assert post(browser, f"/tenants/{tenant_id}/settings/invitations", email="a@b.example").status_code == 403
    admin = log_in(app, tenant_id, Role.ADMIN)
    assert post(admin, f"{page}/{viewer_id}", role="admin").status_code == 303
    assert role_in(tenant_id, viewer_id) == "admin"
    for role in ("owner", "nonsense"):
        post(admin, f"{page}/{viewer_id}", role=role)
        assert role_in(tenant_id, viewer_id) == "admin"
    post(admin, f"{page}/{owner_id}", role="viewer")
    post(admin, f"{page}/{owner_id}/remove")
    assert role_in(tenant_id, owner_id) == "owner"
    assert (
        post(admin, f"/tenants/{tenant_id}/settings/invitations", email="a@b.example", role="owner").status_code == 422
    )
    post(owner, f"{page}/{owner_id}/remove")
    assert role_in(tenant_id, owner_id) is None
    assert ("member.removed" in dict(acts(tenant_id))) is True


def test_a_tenant_keeps_its_last_owner(app: Flask, tenant_id: int) -> None:
    browser = log_in(app, tenant_id)
    with unit_of_work() as session:
        owner_id = session.scalars(select(Membership.user_id).where(Membership.tenant_id == tenant_id)).one()
    page = f"/tenants/{tenant_id}/settings/members"
    for path, form in ((f"{page}/{owner_id}", {"role": "viewer"}), (f"{page}/{owner_id}/remove", {})):
        post(browser, path, **form)
        assert "is the last owner. Make another member an owner first." in browser.get(page).text
        assert role_in(tenant_id, owner_id) == "owner"
    member(tenant_id, Role.OWNER)
    post(browser, f"{page}/{owner_id}/remove")
    assert role_in(tenant_id, owner_id) is None
    assert browser.get(page).status_code == 404


def test_a_person_who_is_invited_makes_an_account_and_joins_once(
    app: Flask, tenant_id: int, mail_server: MailServer
) -> None:
    owner = log_in(app, tenant_id)
    path = f"/tenants/{tenant_id}/settings/invitations"
    assert post(owner, path, email="New@Acme.example", role="admin").status_code == 303
    work_off()
    assert mail_server.recipients == ["new@acme.example"]
    link = link_in(mail_server, "new@acme.example")
    assert link not in owner.get(f"/tenants/{tenant_id}/settings/members").text
    stranger = app.test_client()
    page = stranger.get(link)
    assert page.status_code == 200
    form = {"csrf_token": csrf_of(page), "name": NASTY, "password": PASSWORD, "again": "another"}
    assert "must be the same as the password" in stranger.post(link, data=form).text
    joined = stranger.post(link, data={**form, "again": PASSWORD})
    assert joined.headers["Location"] == f"/tenants/{tenant_id}/usage"
    members = stranger.get(f"/tenants/{tenant_id}/settings/members").text
    assert "&lt;script&gt;" in members
    assert "<script>alert" not in members
    again = app.test_client().get(link)
    assert again.status_code == 410
    assert "taken up already" in again.text
    assert acts(tenant_id) == [("member.invited", "new@acme.example"), ("member.joined", "new@acme.example")]


def test_only_the_account_of_the_invited_address_can_join(app: Flask, tenant_id: int, mail_server: MailServer) -> None:
    other_tenant, _ = new_tenant()
    invited_id, address = member(other_tenant, Role.OWNER)
    owner = log_in(app, tenant_id)
    post(owner, f"/tenants/{tenant_id}/settings/invitations", email=address, role="viewer")
    work_off()
    link = link_in(mail_server, address)
    assert "This address has an account already" in app.test_client().get(link).text
    other = log_in(app, other_tenant)
    page = other.get(link)
    assert "Log out, then open the link again" in page.text
    assert other.post(link, data={"csrf_token": csrf_of(page)}).status_code == 410
    invited = app.test_client()
    form = {"csrf_token": csrf_of(invited.get("/login")), "email": address, "password": PASSWORD, "next": link}
    assert invited.post("/login", data=form).headers["Location"] == link
    assert invited.post(link, data={"csrf_token": csrf_of(invited.get(link))}).status_code == 303
    assert role_in(tenant_id, invited_id) == "viewer"


def test_a_link_ends_with_its_days_its_successor_and_its_withdrawal(
    app: Flask, tenant_id: int, mail_server: MailServer, sandbox: SandboxServer
) -> None:
    owner = log_in(app, tenant_id)
    path = f"/tenants/{tenant_id}/settings/invitations"
    post(owner, path, email="slow@acme.example", role="viewer")
    work_off()
    first = link_in(mail_server, "slow@acme.example")
    post(owner, f"{path}/1/again")
    assert "sent a moment ago" in owner.get(f"/tenants/{tenant_id}/settings/members").text
    sandbox.advance(advance_by=8 * 86_400)
    assert "has expired" in app.test_client().get(first).text
    post(owner, f"{path}/1/again")
    work_off()
    second = link_in(mail_server, "slow@acme.example")
    assert "There is a newer mail" in app.test_client().get(first).text
    assert app.test_client().get(second).status_code == 200
    assert app.test_client().get(second[:-1] + "!").status_code == 404
    assert app.test_client().get(second.replace("-1-2-", "-9-2-")).status_code == 404
    post(owner, f"{path}/1/withdraw")
    assert "was withdrawn" in app.test_client().get(second).text
    assert post(owner, f"{path}/1/again").status_code == 404
    with unit_of_work() as session:
        assert session.scalars(select(User).where(User.email == "slow@acme.example")).first() is None
        assert session.scalars(select(Invitation.accepted_at)).one() is None


def test_another_tenants_settings_are_a_404(app: Flask, tenant_id: int) -> None:
    stranger = log_in(app, new_tenant()[0])
    user_id, _ = member(tenant_id, Role.VIEWER)
    base = f"/tenants/{tenant_id}"
    for page in (
        "settings",
        "settings/members",
        f"settings/members/{user_id}/remove",
        "settings/alerts",
        "settings/audit",
        "notices",
    ):
        assert stranger.get(f"{base}/{page}").status_code == 404
    mine = re.sub(r"\d+", "0", base)
    assert stranger.get(f"{mine}/settings").status_code == 404


def test_the_audit_is_filtered_and_downloaded_and_hidden_from_viewers(app: Flask, tenant_id: int) -> None:
    owner = log_in(app, tenant_id)
    page = f"/tenants/{tenant_id}/settings/audit"
    assert "Nothing has been done yet." in owner.get(page).text
    post(owner, f"/tenants/{tenant_id}/settings", **{**GENERAL, "name": "=cmd()"})
    post(owner, f"/tenants/{tenant_id}/settings/api-keys", name=NASTY, scopes="usage:read")
    text = owner.get(page).text
    assert "Changed the account" in text
    assert "Created an API key" in text
    assert "<script>alert" not in text
    assert "Created an API key</td>" not in owner.get(f"{page}?action=tenant.changed").text
    assert "No entry fits." in owner.get(f"{page}?actor=nobody@x.example").text
    assert "No entry fits." in owner.get(f"{page}?from=2001-01-01&to=2001-01-02").text
    for query in ("action=nonsense", "from=yesterday", "to=2026-02-30", "actor=%00"):
        assert owner.get(f"{page}?{query}").status_code == 400
    assert owner.get(f"{page}?before=999999999999999999999&to=9999-12-31").status_code == 200
    rows = owner.get(f"{page}?format=csv").text.splitlines()
    assert rows[0] == "time,actor,actor_kind,action,subject,details"
    assert len(rows) == 3
    assert "'=cmd()" in rows[2]
    assert log_in(app, tenant_id, Role.VIEWER).get(page).status_code == 403
