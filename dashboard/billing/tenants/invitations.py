"""Inviting people by e-mail: a signed link, for one use and some days, that only the invited address can take up."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound, NotNow
from dashboard.billing.fields import MAX_ID, need_email
from dashboard.billing.notices.mails import store_mail
from dashboard.billing.tenants.accounts import add_member, create_user
from dashboard.billing.tenants.members import MANAGES, hold_members, parse_role
from dashboard.models import Invitation, Membership, Role, Tenant, User

LIVES = timedelta(days=7)
MAX_OPEN = 50
# Between two mails with the same invitation: nobody's mailbox is flooded through us.
AGAIN_AFTER = timedelta(minutes=1)
_TOKEN = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})-([1-9][0-9]{0,9})-([A-Za-z0-9_-]{43})")


def invite(
    session: Session, tenant_id: int, *, email: str, role: str, acting_role: str, invited_by: str, now: datetime
) -> Invitation:
    """Invite an address, and write the mail with the link.

    Raises `InvalidInput` (`email`: malformed, a member already, invited already; `role`: not theirs to give).
    """
    address = need_email(email, "email")
    given = parse_role(role, acting_role)
    hold_members(session, tenant_id)
    if _is_member(session, tenant_id, address):
        raise InvalidInput("email", "belongs to a member already")
    waiting = list_open(session, tenant_id)
    if any(each.email == address for each in waiting):
        raise InvalidInput("email", "is invited already; send that invitation again, or withdraw it")
    if _was_mailed(session, tenant_id, address, now):
        raise InvalidInput("email", "was sent an invitation a moment ago; wait a minute")
    if len(waiting) >= MAX_OPEN:
        raise InvalidInput("email", f"cannot be invited while {MAX_OPEN} invitations are open")
    invitation = Invitation(
        tenant_id=tenant_id,
        email=address,
        role=given,
        serial=1,
        invited_by=invited_by,
        invited_at=now,
        expires_at=now + LIVES,
    )
    session.add(invitation)
    session.flush()
    _write_mail(session, invitation, now)
    return invitation


def invite_again(
    session: Session, tenant_id: int, invitation_id: int, *, acting_role: str, now: datetime
) -> Invitation:
    """Send an open invitation again, with a new link and as many days; the old link works no more.

    Raises `NotFound`, and `NotNow` within a minute or for somebody who may not give its role.
    """
    found = _hold_open(session, tenant_id, invitation_id, acting_role)
    if now < found.invited_at + AGAIN_AFTER:
        raise NotNow("The invitation was sent a moment ago. Try again in a minute.")
    found.serial += 1
    found.invited_at, found.expires_at = now, now + LIVES
    session.flush()
    _write_mail(session, found, now)
    return found


def withdraw(session: Session, tenant_id: int, invitation_id: int, *, acting_role: str, now: datetime) -> Invitation:
    """Take an open invitation back: its link works no more.

    Raises `NotFound`, and `NotNow` for somebody who may not give its role.
    """
    found = _hold_open(session, tenant_id, invitation_id, acting_role)
    found.withdrawn_at = now
    session.flush()
    return found


def list_open(session: Session, tenant_id: int) -> list[Invitation]:
    """Invitations that were neither taken up nor withdrawn, the newest first; some may have expired."""
    return list(
        session.scalars(
            select(Invitation)
            .where(
                Invitation.tenant_id == tenant_id,
                Invitation.accepted_at.is_(None),
                Invitation.withdrawn_at.is_(None),
            )
            .order_by(Invitation.id.desc())
        )
    )


def token_of(signing_key: bytes, invitation: Invitation) -> str:
    """What stands in the link: which invitation, and that we made the link."""
    named = f"{invitation.tenant_id}-{invitation.id}-{invitation.serial}"
    return f"{named}-{_signature(signing_key, named)}"


def find_by_token(session: Session, signing_key: bytes, token: str, now: datetime) -> Invitation:
    """The open invitation of a link, held until the transaction ends.

    Raises `NotFound` for a link that we did not make, and `NotNow`, which says why, for one that works no more.
    """
    form = _TOKEN.fullmatch(token)
    if form is None:
        raise NotFound("no invitation")
    tenant_id, invitation_id, serial = (int(form.group(n)) for n in (1, 2, 3))
    expected = _signature(signing_key, f"{tenant_id}-{invitation_id}-{serial}")
    if max(tenant_id, invitation_id) > MAX_ID or not hmac.compare_digest(expected, form.group(4)):
        raise NotFound("no invitation")
    found = session.get(Invitation, (tenant_id, invitation_id), with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound("no invitation")
    if found.accepted_at is not None:
        raise NotNow("This invitation has been taken up already. Log in to go on.")
    if found.withdrawn_at is not None:
        raise NotNow("This invitation was withdrawn. Ask whoever invited you for another.")
    if found.serial != serial:
        raise NotNow("There is a newer mail with this invitation. Use the link in that one.")
    if found.expires_at <= now:
        raise NotNow("This invitation has expired. Ask whoever invited you to send it again.")
    return found


def find_invited_user(session: Session, invitation: Invitation) -> User | None:
    """The account that the invited address has already."""
    return session.scalars(select(User).where(User.email == invitation.email)).first()


def accept_as_new(session: Session, invitation: Invitation, *, name: str, password: str, now: datetime) -> User:
    """Take an invitation up with a new account.

    Raises `InvalidInput` (`name`, `password`; `email` where the address has an account).
    """
    user = create_user(session, email=invitation.email, name=name, password=password, now=now)
    accept(session, invitation, user, now)
    return user


def accept(session: Session, invitation: Invitation, user: User, now: datetime) -> None:
    """Take an invitation up with the account of its address.

    Raises `NotNow` for another's account.
    """
    if user.email != invitation.email:
        raise NotNow(f"This invitation is for {invitation.email}. Log out, then open its link again.")
    hold_members(session, invitation.tenant_id)
    invitation.accepted_at = now
    if not _is_member(session, invitation.tenant_id, user.email):
        add_member(session, session.get_one(Tenant, invitation.tenant_id), user, Role(invitation.role))
    session.flush()


def _hold_open(session: Session, tenant_id: int, invitation_id: int, acting_role: str) -> Invitation:
    found = session.get(Invitation, (tenant_id, invitation_id), with_for_update=True, populate_existing=True)
    if found is None or found.accepted_at is not None or found.withdrawn_at is not None:
        raise NotFound(f"no open invitation {invitation_id}")
    if found.role not in MANAGES.get(acting_role, ()):
        raise NotNow("Only an owner can change the invitation of an owner.")
    return found


def _was_mailed(session: Session, tenant_id: int, email: str, now: datetime) -> bool:
    """Also by an invitation that was withdrawn since."""
    found = select(Invitation.id).where(
        Invitation.tenant_id == tenant_id, Invitation.email == email, Invitation.invited_at > now - AGAIN_AFTER
    )
    return session.scalars(found.limit(1)).first() is not None


def _is_member(session: Session, tenant_id: int, email: str) -> bool:
    count = session.scalar(
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(Membership.tenant_id == tenant_id, User.email == email)
    )
    return bool(count)


def _write_mail(session: Session, invitation: Invitation, now: datetime) -> None:
    key = f"invitation:{invitation.id}:{invitation.serial}"
    store_mail(
        session, invitation.tenant_id, [invitation.email], key=key, invitation_id=invitation.id, notice_id=None, now=now
    )


def _signature(signing_key: bytes, named: str) -> str:
    digest = hmac.digest(signing_key, f"invitation:{named}".encode(), sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")
