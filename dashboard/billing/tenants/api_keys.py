"""The keys of a tenant's services: made once, shown once, limited by scope, revocable. Only their hash is kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.fields import need_text
from dashboard.models import ApiKey

KEY = re.compile(r"^ch_([1-9][0-9]{0,17})_[A-Za-z0-9_-]{32}$")
# The last use is noted at most so often for a key: a busy service costs one small write a minute.
USE_NOTED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """What a key may do."""

    USAGE_WRITE = "usage:write"
    USAGE_READ = "usage:read"
    MESSAGES_SEND = "messages:send"
    CALLS_MAKE = "calls:make"
    SYNC_RUN = "sync:run"
    LIMITS_MANAGE = "limits:manage"
    WEBHOOKS_MANAGE = "webhooks:manage"
    BILLING_READ = "billing:read"
    BILLING_MANAGE = "billing:manage"

    @property
    def label(self) -> str:
        """What it allows, in words."""
        return _LABELS[self]


_LABELS = {
    Scope.USAGE_WRITE: "Reserve, report and reverse usage",
    Scope.USAGE_READ: "Read usage",
    Scope.MESSAGES_SEND: "Send texts",
    Scope.CALLS_MAKE: "Make calls",
    Scope.SYNC_RUN: "Start a meter sync",
    Scope.LIMITS_MANAGE: "Set caps and the budget",
    Scope.WEBHOOKS_MANAGE: "Manage webhooks",
    Scope.BILLING_READ: "Read invoices and plans",
    Scope.BILLING_MANAGE: "Buy, change and end plans",
}
ALL_SCOPES: tuple[Scope, ...] = tuple(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls with a key: its tenant, its name and what it may do."""

    tenant_id: int
    key_id: int
    key_name: str
    scopes: frozenset[str]
    last_used_at: datetime | None
    expires_at: datetime | None

    def is_expired(self, now: datetime) -> bool:
        """Whether the key's time is over."""
        return self.expires_at is not None and self.expires_at <= now


def parse_scopes(given: Iterable[str]) -> tuple[Scope, ...]:
    """The named scopes, each once, in the order of `Scope`.

    Raises `InvalidInput` (field `scopes`) for none or an unknown one.
    """
    named = set(given)
    unknown = sorted(named - set(ALL_SCOPES))
    if unknown or not named:
        problem = f"{unknown[0]} is none; " if unknown else ""
        raise InvalidInput("scopes", f"{problem}choose at least one of {', '.join(ALL_SCOPES)}")
    return tuple(scope for scope in ALL_SCOPES if scope in named)


def create_api_key(
    session: Session,
    tenant_id: int,
    name: str,
    now: datetime,
    *,
    scopes: Iterable[str] = ALL_SCOPES,
    expires_at: datetime | None = None,
    created_by: str | None = None,
) -> str:
    """A new key for a tenant's service. This is the only time the key can be read.

    Raises `InvalidInput` (`name`, `scopes`, `expires_at`).
    """
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("expires_at", "must lie ahead")
    key = f"ch_{tenant_id}_{secrets.token_urlsafe(24)}"
    session.add(
        ApiKey(
            tenant_id=tenant_id,
            name=need_text(name, "name"),
            key_hash=_digest(key),
            last_four=key[-4:],
            scopes=list(parse_scopes(scopes)),
            created_by=created_by,
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    return key


def find_caller(session: Session, key: str, now: datetime) -> Caller | None:
    """Who calls with this key, or None for one that is malformed, unknown, revoked or expired. One indexed query."""
    form = KEY.match(key)
    if form is None:
        return None
    tenant_id = int(form.group(1))
    row = session.execute(
        select(ApiKey.id, ApiKey.name, ApiKey.scopes, ApiKey.last_used_at, ApiKey.expires_at).where(
            ApiKey.tenant_id == tenant_id,
            ApiKey.key_hash == _digest(key),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
        )
    ).first()
    if row is None:
        return None
    return Caller(tenant_id, row.id, row.name, frozenset(row.scopes), row.last_used_at, row.expires_at)


def note_use(session: Session, caller: Caller, now: datetime) -> bool:
    """Note that the key was used, unless that was noted within the last minute. Answers whether there is a write."""
    stale = now - USE_NOTED_EVERY
    if caller.last_used_at is not None and stale < caller.last_used_at <= now:
        return False
    session.execute(
        update(ApiKey)
        .where(ApiKey.tenant_id == caller.tenant_id, ApiKey.id == caller.key_id)
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )
    return True


def list_api_keys(session: Session, tenant_id: int) -> list[ApiKey]:
    """The tenant's keys: those in use first, then the revoked ones; newest first."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id)
    return list(session.scalars(query.order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())))


def find_api_key(session: Session, tenant_id: int, key_id: int) -> ApiKey:
    """One key of this tenant.

    Raises `NotFound`.
    """
    found = session.get(ApiKey, (tenant_id, key_id))
    if found is None:
        raise NotFound(f"no API key {key_id}")
    return found


def revoke_api_key(session: Session, tenant_id: int, key_id: int, now: datetime) -> ApiKey:
    """Make a key useless from now on; a key revoked before stays as it is.

    Raises `NotFound`.
    """
    found = find_api_key(session, tenant_id, key_id)
    found.revoked_at = found.revoked_at or now
    session.flush()
    return found


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
