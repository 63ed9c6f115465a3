"""The outbox of mails: written in the transaction of what they tell of, claimed by one worker, settled once.

Between a mail server's yes and our note of it lies a moment in which a crash has the mail sent again. Its Message-ID is
the same then, by which mailboxes know it for one mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.models import Mail, MailState

# Seconds before the second attempt, the third, … about a day in all; then the mail has failed.
PAUSES = (60, 300, 1_800, 7_200, 21_600, 43_200)
# Longer than a mail server may take. Real time: the sandbox's clock may jump meanwhile.
LEASE = timedelta(minutes=5)
LONGEST_ERROR = 500

_DUE = """
    SELECT tenant_id, id FROM mails
     WHERE state = 'pending' AND next_attempt_at <= :now AND (lease_until IS NULL OR lease_until <= :wall)
"""
_IS_DUE = text(f"SELECT EXISTS ({_DUE})")
# The conditions stand outside again: a second worker waits for the first one's row, then finds it taken.
_CLAIM = text(
    f"""
    UPDATE mails SET lease_until = :lease_until
      FROM ({_DUE} ORDER BY next_attempt_at, id LIMIT :limit) AS due
     WHERE mails.tenant_id = due.tenant_id AND mails.id = due.id AND mails.state = 'pending'
       AND (mails.lease_until IS NULL OR mails.lease_until <= :wall)
    RETURNING mails.tenant_id, mails.id
    """
)


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """One mail a worker has to send."""

    tenant_id: int
    id: int
    recipient: str
    notice_id: int | None
    invitation_id: int | None
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a mail was not taken. A `permanent` one is not tried again."""

    reason: str
    permanent: bool


def store_mail(
    session: Session,
    tenant_id: int,
    recipients: Iterable[str],
    *,
    key: str,
    notice_id: int | None,
    invitation_id: int | None,
    now: datetime,
) -> None:
    """Write a mail to each address, once for each `key`. The caller commits, then enqueues."""
    rows = [
        {
            "tenant_id": tenant_id,
            "key": key,
            "recipient": recipient,
            "notice_id": notice_id,
            "invitation_id": invitation_id,
            "next_attempt_at": now,
            "created_at": now,
        }
        for recipient in dict.fromkeys(recipients)
    ]
    if rows:
        session.execute(
            insert(Mail).values(rows).on_conflict_do_nothing(index_elements=["tenant_id", "key", "recipient"])
        )


def has_due_mails(session: Session, *, now: datetime, wall: datetime) -> bool:
    """Whether a mail's time has come. `wall` is real time."""
    return bool(session.scalar(_IS_DUE, {"now": now, "wall": wall}))


def claim_mails(session: Session, *, now: datetime, wall: datetime, limit: int) -> list[ClaimedMail]:
    """Take up to `limit` due mails. Nobody else gets them until the lease ends or they are settled."""
    lease_until = wall + LEASE
    scope = {"now": now, "wall": wall, "lease_until": lease_until, "limit": limit}
    claimed = []
    for tenant_id, mail_id in session.execute(_CLAIM, scope).all():
        mail = session.get_one(Mail, (tenant_id, mail_id), populate_existing=True)
        claimed.append(ClaimedMail(tenant_id, mail_id, mail.recipient, mail.notice_id, mail.invitation_id, lease_until))
    return claimed


def settle_mail(session: Session, claimed: ClaimedMail, failure: Failure | None, now: datetime) -> None:
    """Note that a mail was taken, or why not and when to try again. Late news of a lease that ended change nothing."""
    key = (claimed.tenant_id, claimed.id)
    mail = session.get_one(Mail, key, with_for_update=True, populate_existing=True)
    if mail.state != MailState.PENDING or mail.lease_until != claimed.lease_until:
        return
    mail.attempts += 1
    mail.lease_until = None
    if failure is None:
        mail.state, mail.sent_at, mail.error = MailState.SENT, now, None
        return
    mail.error = failure.reason[:LONGEST_ERROR].replace("\x00", "")
    if failure.permanent or mail.attempts > len(PAUSES):
        mail.state = MailState.FAILED
    else:
        mail.next_attempt_at = now + timedelta(seconds=PAUSES[mail.attempts - 1])


def mails_of_invitations(session: Session, tenant_id: int, ids: Iterable[int]) -> dict[int, Mail]:
    """The newest mail of each of these invitations: whether it has left."""
    wanted = list(ids)
    if not wanted:
        return {}
    mails = session.scalars(
        select(Mail).where(Mail.tenant_id == tenant_id, Mail.invitation_id.in_(wanted)).order_by(Mail.id)
    )
    return {mail.invitation_id or 0: mail for mail in mails}
