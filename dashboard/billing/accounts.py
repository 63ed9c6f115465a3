"""Tenants, people and keys: making them, and finding who is asking."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.inbound import assign_number
from dashboard.billing.phone_numbers import PHONE
from dashboard.billing.usage_input import clean_text
from dashboard.models import ApiKey, Membership, Role, Tenant, User

KEY = re.compile(r"^ch_([1-9][0-9]{0,17})_[A-Za-z0-9_-]{32}$")
MIN_PASSWORD = 10
_hasher = PasswordHasher()


def create_tenant(session: Session, *, name: str, billing_email: str, sms_from: str | None, now: datetime) -> Tenant:
    """A new tenant, on Free until it buys a plan.

    Raises `InvalidInput`, also for a number that another tenant has.
    """
    if sms_from is not None and not PHONE.match(sms_from):
        raise InvalidInput("sms_from", "must be an E.164 number such as +15005550006")
    tenant = Tenant(
        name=clean_text(name, "name", required=True) or "",
        billing_email=_email(billing_email, "billing_email"),
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
    address = _email(email, "email")
    if len(password) < MIN_PASSWORD:
        raise InvalidInput("password", f"must have at least {MIN_PASSWORD} characters")
    if session.scalars(select(User.id).where(User.email == address)).first():
        raise InvalidInput("email", "belongs to another account")
    user = User(
        email=address,
        name=clean_text(name, "name", required=True) or "",
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


def create_api_key(session: Session, tenant_id: int, name: str, now: datetime) -> str:
    """A new key for a tenant's service. This is the only time the key can be read."""
    key = f"ch_{tenant_id}_{secrets.token_urlsafe(24)}"
    session.add(
        ApiKey(
            tenant_id=tenant_id,
            name=clean_text(name, "name", required=True) or "",
            key_hash=_digest(key),
            created_at=now,
        )
    )
    session.flush()
    return key


def find_api_key(session: Session, key: str) -> ApiKey | None:
    """The key that was sent, or None for one that is malformed, unknown or revoked."""
    form = KEY.match(key)
    if form is None:
        return None
    return session.scalars(
        select(ApiKey).where(
            ApiKey.tenant_id == int(form.group(1)), ApiKey.key_hash == _digest(key), ApiKey.revoked_at.is_(None)
        )
    ).first()


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


def role_of(session: Session, user: User, tenant_id: int) -> str | None:
    """What this person is to the tenant: a member's role, "staff", or None (a stranger)."""
    role = session.scalars(
        select(Membership.role).where(Membership.tenant_id == tenant_id, Membership.user_id == user.id)
    ).first()
    return role or ("staff" if user.is_staff else None)


def tenants_of(session: Session, user: User) -> list[Tenant]:
    """The tenants this person may see, by name; staff see all."""
    query = select(Tenant).order_by(Tenant.name).limit(200)
    if not user.is_staff:
        query = query.join(Membership, Membership.tenant_id == Tenant.id).where(Membership.user_id == user.id)
    return list(session.scalars(query))


def _email(value: str, field: str) -> str:
    address = value.strip().lower()
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address) or len(address) > 254:
        raise InvalidInput(field, "must be an email address")
    return address


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


@lru_cache(maxsize=1)
def _stand_in_hash() -> str:
    return _hasher.hash(secrets.token_hex())
