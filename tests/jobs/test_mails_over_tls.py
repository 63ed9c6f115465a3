"""Mail servers that speak TLS, from the start or by STARTTLS: used with a good certificate, refused with a bad one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import pytest
from flask import Flask
from sqlalchemy import select
from structlog.testing import capture_logs

from dashboard.billing.notices.mails import PAUSES
from dashboard.billing.notices.notices import NoticeKind, store_notice
from dashboard.clock import Clock
from dashboard.database import db
from dashboard.integrations.mail_sender import Letter, SmtpSender
from dashboard.jobs.mails import send_due_mails
from dashboard.models import Mail, Tenant
from dashboard.wiring import now, unit_of_work, wiring
from tests.factories import make_user
from tests.mail_server import MailServer, serving_mail
from tests.sandbox_server import SandboxServer

Tls = Literal["smtps", "starttls"]
DATA = {"invoice_id": "in_1", "number": "A-1", "amount_remaining": 5_000, "currency": "usd"}
LETTER = Letter("mail-1-1", "ada@tenant.example", "A cap is reached", "Text.\n", "<p>Text.</p>")


@pytest.fixture(params=get_args(Tls))
def mail_server(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    with serving_mail(request.param) as server:
        yield server


@pytest.fixture
def more_settings(mail_server: MailServer) -> dict[str, object]:
    return mail_server.settings


@pytest.fixture
def authority(mail_server: MailServer, tmp_path: Path) -> str:
    """The certificate of the authority that vouches for the server."""
    path = tmp_path / "authority.pem"
    mail_server.authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def trusted(authority: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's own authority, as OpenSSL is told of it."""
    monkeypatch.setenv("SSL_CERT_FILE", authority)


def sender_to(url: str) -> SmtpSender:
    return SmtpSender(url, "no-reply@x.example", Clock())


@pytest.mark.usefixtures("trusted")
def test_a_mail_goes_encrypted_to_a_server_that_is_trusted(mail_server: MailServer) -> None:
    assert sender_to(mail_server.url).send(LETTER) is None
    assert mail_server.recipients == ["ada@tenant.example"]
    assert mail_server.versions == ["TLSv1.3"]


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_refused(mail_server: MailServer) -> None:
    failure = sender_to(mail_server.url.replace("127.0.0.1", "localhost")).send(LETTER)
    assert failure is not None
    assert failure.reason == (
        "The certificate of localhost was refused: Hostname mismatch, certificate is not valid for 'localhost'."
    )
    assert not failure.permanent
    assert mail_server.mails == []


def test_a_certificate_that_nobody_vouches_for_is_logged_and_the_mail_waits_until_it_is_mended(
    app: Flask,
    tenant_id: int,
    mail_server: MailServer,
    authority: str,
    sandbox: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with unit_of_work() as session:
        session.get_one(Tenant, tenant_id).billing_email = make_user(session).email
        store_notice(session, tenant_id, NoticeKind.PAYMENT_FAILED, DATA, key="k", now=now())
    with capture_logs() as said:
        send_due_mails()
    (reason,) = [line["reason"] for line in said if line["event"] == "mail not sent"]
    assert reason.startswith("The certificate of 127.0.0.1 was refused: ")
    assert told() == ("pending", 1, reason)
    assert mail_server.mails == []
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    app.extensions["countinghouse"] = replace(wiring(), mail=sender_to(mail_server.url))
    sandbox.advance(advance_by=PAUSES[0] + 1)
    send_due_mails()
    assert told() == ("sent", 2, None)
    assert mail_server.versions == ["TLSv1.3"]


def told() -> tuple[str, int, str | None]:
    """State, attempts and error of the one mail there is."""
    db.session.rollback()
    mail = db.session.scalars(select(Mail).execution_options(populate_existing=True)).one()
    return mail.state, mail.attempts, mail.error
