"""Send the mails that wait: notices, and invitations."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from flask import current_app, g
from sqlalchemy.orm import Session

from dashboard.billing.notices import mails
from dashboard.billing.notices.mails import ClaimedMail, Failure
from dashboard.billing.tenants import invitations
from dashboard.integrations.mail_sender import Letter
from dashboard.jobs.queues import OUTGOING, enqueue
from dashboard.locales import reader_of
from dashboard.models import Invitation, Notice, Tenant
from dashboard.wiring import unit_of_work, wiring
from dashboard.wording import link_to, page_of, render, words_of

log = structlog.get_logger()
AT_ONCE = 10
NO_SERVER = Failure("This installation has no mail server (MAIL_URL).", permanent=True)
WITHDRAWN = Failure("The invitation is not open any more.", permanent=True)
# Longer than AT_ONCE mails to a server that does not answer.
TIMEOUT = 280


def enqueue_due_mails() -> None:
    """Have a worker send what is due, if anything is."""
    with unit_of_work() as session:
        is_due = mails.has_due_mails(session, now=wiring().clock.now(), wall=datetime.now(UTC))
    if is_due:
        enqueue(OUTGOING, send_due_mails, timeout=TIMEOUT)


def send_due_mails() -> None:
    """Send some due mails one by one; what is due then is another job's work."""
    parts = wiring()
    with unit_of_work() as session:
        claimed = mails.claim_mails(session, now=parts.clock.now(), wall=datetime.now(UTC), limit=AT_ONCE)
    for each in claimed:
        _settle(each, _send(each))
    if claimed:
        log.info("mails settled", mails=len(claimed))
        enqueue_due_mails()


def _send(claimed: ClaimedMail) -> Failure | None:
    sender = wiring().mail
    if sender is None:
        return NO_SERVER
    try:
        with unit_of_work() as session:
            letter = _write(session, claimed)
        return sender.send(letter) if letter else WITHDRAWN
    except Exception as error:
        log.exception("mail could not be written", tenant=claimed.tenant_id, mail=claimed.id)
        return Failure(f"{type(error).__name__}: {error}", permanent=False)


def _settle(claimed: ClaimedMail, failure: Failure | None) -> None:
    """One that cannot be settled keeps no other from it; it is sent again when its lease ends."""
    if failure:
        log.warning("mail not sent", tenant=claimed.tenant_id, mail=claimed.id, reason=failure.reason)
    try:
        with unit_of_work() as session:
            mails.settle_mail(session, claimed, failure, wiring().clock.now())
    except Exception:
        log.exception("mail could not be settled", tenant=claimed.tenant_id, mail=claimed.id)


def _write(session: Session, claimed: ClaimedMail) -> Letter | None:
    """The letter, in the tenant's locale and zone; None for an invitation that is not open any more."""
    tenant = session.get_one(Tenant, claimed.tenant_id)
    values: dict[str, object] = {"tenant_name": tenant.name}
    reader = reader_of(tenant.locale, tenant.time_zone)
    settings = wiring().settings
    notice = session.get(Notice, (tenant.id, claimed.notice_id)) if claimed.notice_id else None
    invitation = session.get(Invitation, (tenant.id, claimed.invitation_id)) if claimed.invitation_id else None
    if invitation is not None and (invitation.accepted_at or invitation.withdrawn_at):
        return None
    # What a template does with times depends on whom it is for, and a worker's own context outlives every mail.
    with current_app.app_context():
        g.reader = reader
        if notice is not None:
            words = words_of(notice)
            endpoint, where = page_of(notice)
            subject, template = f"{tenant.name}: {words.title}", "notice"
            values |= {
                "words": words,
                "link": link_to(settings, endpoint, **where),
                "settings_link": link_to(settings, "tenant.notices", tenant_id=tenant.id),
            }
        elif invitation is not None:
            subject, template = f"{invitation.invited_by} invites you to {tenant.name}", "invitation"
            token = invitations.token_of(settings.signing_key, invitation)
            values |= {
                "link": link_to(settings, "invitations.show", token=token),
                "invited_by": invitation.invited_by,
                "role": invitation.role,
                "expires_at": invitation.expires_at,
            }
        values["subject"] = subject
        text, html = (render(f"mail/{template}.{kind}", **values) for kind in ("txt", "html"))
    # A name from before names were checked may hold a line break, which no header may.
    return Letter(f"mail-{claimed.tenant_id}-{claimed.id}", claimed.recipient, " ".join(subject.split()), text, html)
