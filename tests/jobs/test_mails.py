"""Mails: written with what they tell of, sent once over real SMTP, tried again, given up; also as files."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from dashboard.billing.limits.limits import set_budget, set_cap
from dashboard.billing.notices.mails import LEASE, PAUSES, claim_mails
from dashboard.billing.notices.notices import NoticeKind, store_notice
from dashboard.database import db
from dashboard.integrations.mail_sender import Letter, OutboxSender, SmtpSender, compose
from dashboard.jobs.mails import send_due_mails
from dashboard.jobs.outgoing import announce_usage_thresholds
from dashboard.jobs.schedule import sweep
from dashboard.models import Mail, Membership, Notice, Role, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import make_user, record
from tests.mail_server import MailServer
from tests.platform import work_off
from tests.sandbox_server import SandboxServer

LETTER = Letter("mail-1-2", "ada@tenant.example", "A cap is reached: 5 €", "Text.\n", "<p>Text.</p>")


@pytest.fixture
def more_settings(mail_server: MailServer) -> dict[str, object]:
    return mail_server.settings


def people(tenant_id: int, *roles: Role) -> list[str]:
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        return [make_user(session, tenant, role).email for role in roles]


def tell(tenant_id: int, key: str = "k", **more: object) -> bool:
    data = {"invoice_id": "in_1", "number": "A-1", "amount_remaining": 123_456, "currency": "usd", **more}
    with unit_of_work() as session:
        return store_notice(session, tenant_id, NoticeKind.PAYMENT_FAILED, data, key=key, now=now())


def states(tenant_id: int) -> list[tuple[str, int, str | None]]:
    """(state, attempts, error) of every mail."""
    with unit_of_work() as session:
        rows = session.execute(
            select(Mail.state, Mail.attempts, Mail.error).where(Mail.tenant_id == tenant_id).order_by(Mail.id)
        )
        return [(row.state, row.attempts, row.error) for row in rows]


def test_a_notice_is_mailed_once_to_those_who_want_it_in_the_tenants_words(
    tenant_id: int, mail_server: MailServer
) -> None:
    owner, admin, quiet, _viewer = people(tenant_id, Role.OWNER, Role.ADMIN, Role.ADMIN, Role.VIEWER)
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        tenant.locale, tenant.time_zone, tenant.billing_email = "de-DE", "Europe/Berlin", owner
        tenant.name = "Müller & Söhne <b>"
        rows = session.scalars(select(Membership).where(Membership.tenant_id == tenant_id).order_by(Membership.user_id))
        list(rows)[2].wants_mail = False
    next_attempt = datetime(2026, 6, 15, 12, 0, tzinfo=UTC).isoformat()
    assert tell(tenant_id, next_attempt_payment=None, next_payment_attempt=next_attempt)
    assert not tell(tenant_id)
    sweep()
    sweep()
    work_off()
    assert sorted(mail_server.recipients) == sorted([owner, admin])
    assert quiet not in mail_server.recipients
    message = mail_server.mails[0][1]
    assert message["Subject"].replace("\u00a0", " ") == "Müller & Söhne <b>: A payment failed: 1.234,56 $ is due"
    assert "14:00 CEST" in mail_server.text_for(owner)
    assert f"http://127.0.0.1:5000/tenants/{tenant_id}/invoices/in_1" in mail_server.text_for(owner)
    html = message.get_body(("html",))
    assert html is not None
    assert "Müller &amp; Söhne &lt;b&gt;" in html.get_content()
    assert {state for state, _, _ in states(tenant_id)} == {"sent"}


def test_a_mail_is_tried_again_with_the_same_id_and_then_taken(
    tenant_id: int, mail_server: MailServer, sandbox: SandboxServer
) -> None:
    mail_server.refusals = ["451 try later"]
    tell(tenant_id)
    send_due_mails()
    assert states(tenant_id) == [("pending", 1, "451 try later")]
    send_due_mails()
    assert mail_server.mails == []
    sandbox.advance(advance_by=PAUSES[0] + 1)
    send_due_mails()
    assert states(tenant_id) == [("sent", 2, None)]
    assert mail_server.mails[0][1]["Message-ID"] == f"<mail-{tenant_id}-1@countinghouse.example>"


def test_what_a_mail_server_refuses_for_good_is_not_tried_again(tenant_id: int, mail_server: MailServer) -> None:
    mail_server.refusals = ["550 no such box"]
    tell(tenant_id)
    send_due_mails()
    mail_server.after_data = ["554 not wanted"]
    tell(tenant_id, key="other")
    send_due_mails()
    assert states(tenant_id) == [("failed", 1, "550 no such box"), ("failed", 1, "554 not wanted")]


def test_a_worker_that_dies_leaves_its_mails_to_the_next_once_its_lease_ends(
    tenant_id: int, mail_server: MailServer
) -> None:
    tell(tenant_id)
    wall = datetime.now(UTC) - LEASE - timedelta(seconds=1)
    with unit_of_work() as session:
        assert len(claim_mails(session, now=now(), wall=wall, limit=10)) == 1
        assert claim_mails(session, now=now(), wall=wall, limit=10) == []
    sweep()
    work_off()
    assert len(mail_server.mails) == 1
    assert states(tenant_id) == [("sent", 1, None)]


def test_usage_caps_and_the_budget_are_told_once_a_period_however_often_one_looks(
    app: Flask, tenant_id: int, mail_server: MailServer
) -> None:
    (owner,) = people(tenant_id, Role.OWNER)
    with unit_of_work() as session:
        tenant = session.get_one(Tenant, tenant_id)
        set_cap(session, tenant_id, "CONTACT_CREATED", 5, set_by=owner, now=now())
        set_budget(session, tenant_id, 0, "usd", set_by=owner, now=now())
        record(session, tenant, usage_type="CONTACT_CREATED", quantity=5, now=now())
    for _ in range(3):
        announce_usage_thresholds()
    work_off()
    with unit_of_work() as session:
        kinds = session.scalars(select(Notice.kind).where(Notice.tenant_id == tenant_id).order_by(Notice.id)).all()
    assert kinds == ["cap_reached", "budget_stopped"]
    assert mail_server.recipients == [owner, owner]


def test_without_a_mail_server_mails_do_not_pile_up(app: Flask, tenant_id: int) -> None:
    tell(tenant_id)
    parts = wiring()
    app.extensions["countinghouse"] = type(parts)(
        **{name: getattr(parts, name) for name in parts.__slots__ if name != "mail"}, mail=None
    )
    send_due_mails()
    app.extensions["countinghouse"] = parts
    assert states(tenant_id) == [("failed", 1, "This installation has no mail server (MAIL_URL).")]


def test_a_mail_server_that_is_away_is_a_reason_to_try_again(app: Flask) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sender = SmtpSender(f"smtp://127.0.0.1:{unused.getsockname()[1]}", "no-reply@x.example", wiring().clock)
        failure = sender.send(LETTER)
    assert failure is not None
    assert not failure.permanent


def test_no_password_is_given_to_a_server_without_a_login(app: Flask, mail_server: MailServer) -> None:
    url = mail_server.url.replace("smtp://", "smtp://ada:secret@")
    failure = SmtpSender(url, "no-reply@x.example", wiring().clock).send(LETTER)
    assert failure is not None
    assert "secret" not in failure.reason
    assert mail_server.mails == []


@pytest.mark.parametrize("field", ["recipient", "subject"])
def test_a_line_break_never_reaches_a_header(app: Flask, mail_server: MailServer, field: str) -> None:
    values = {"name": "m", "recipient": "a@b.example", "subject": "s", "text": "t", "html": "h"}
    letter = Letter(**{**values, field: f"{values[field]}\r\nBcc: all@victims.example"})
    failure = SmtpSender(mail_server.url, "no-reply@x.example", wiring().clock).send(letter)
    assert failure is not None
    assert failure.permanent
    assert mail_server.mails == []


def test_an_outbox_holds_each_letter_as_one_file(app: Flask, tmp_path: Path) -> None:
    sender = OutboxSender(tmp_path / "outbox", "Countinghouse <no-reply@x.example>", wiring().clock)
    assert [sender.send(LETTER), sender.send(LETTER)] == [None, None]
    (file,) = (tmp_path / "outbox").iterdir()
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert file.name == "mail-1-2.eml"
    assert (message["To"], message["Subject"]) == ("ada@tenant.example", "A cap is reached: 5 €")
    assert compose(LETTER, "no-reply@x.example", wiring().clock)["Auto-Submitted"] == "auto-generated"
    db.session.remove()
