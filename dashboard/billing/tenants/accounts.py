"""Tenants and people: making them, and finding who is asking. Their services' keys are in `api_keys`."""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_email, need_name
from dashboard.billing.telephony.inbound import assign_number
from dashboard.billing.telephony.phone_numbers import need_number
from dashboard.models import Membership, Role, Tenant, User

MIN_PASSWORD = 10
MOST_LISTED = 200
_hasher = PasswordHasher()


def create_tenant(session: Session, *, name: str, billing_email: str, sms_from: str | None, now: datetime) -> Tenant:
    """A new tenant, on Free until it buys a plan.

    Raises `InvalidInput`, also for a number that another tenant has.
    """
    if sms_from is not None:
        need_number(sms_from, "sms_from")
    tenant = Tenant(
        name=need_name(name, "name"),
        billing_email=need_email(billing_email, "billing_email"),
        sms_from=sms_from,
        created_at=now,
    )
    session.add(tenant)
    session.flush()
    if sms_from is not None:
        assign_number(session, tenant, sms_from, now, field="sms_from")
    return tenant


def create_user(
    session: Session, *, email: str, name: str, password: str, is_staff: bool = False, now: datetime
) -> User:
    """A new person with a password.

    Raises `InvalidInput` for a malformed or taken email or a short password.
    """
    address = need_email(email, "email")
    if len(password) < MIN_PASSWORD:
        raise InvalidInput("password", f"must have at least {MIN_PASSWORD} characters")
    if session.scalars(select(User.id).where(User.email == address)).first():
        raise InvalidInput("email", "belongs to another account")
    user = User(
        email=address,
        name=need_name(name, "name"),
        password_hash=_hasher.hash(password),
        is_staff=is_staff,
        created_at=now,
    )
    session.add(user)
    session.flush()
    return user


def add_member(session: Session, tenant: Tenant, user: User, role: Role) -> None:
    """Give a person a role in a tenant."""
    session.merge(Membership(tenant_id=tenant.id, user_id=user.id, role=role))
    session.flush()


def authenticate(session: Session, email: str, password: str) -> User | None:
    """The person with this email and password. An unknown email costs the same time as a wrong password."""
    # PostgreSQL keeps no NUL, so an email with one is nobody's.
    address = email.strip().lower().replace("\x00", "")
    user = session.scalars(select(User).where(User.email == address)).first()
    try:
        _hasher.verify(user.password_hash if user else _stand_in_hash(), password)
    except (VerifyMismatchError, InvalidHashError):
        return None
    return user


@lru_cache(maxsize=1)
def _stand_in_hash() -> str:
    return _hasher.hash(secrets.token_hex())
