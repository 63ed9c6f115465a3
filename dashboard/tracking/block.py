"""`with track_usage(...)`: a block of code whose end is a usage event."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dashboard import wiring
from dashboard.billing.errors import InvalidInput
from dashboard.billing.ledger.usage import Recorded, record_usage
from dashboard.billing.ledger.usage_input import UsageInput, parse_usage
from dashboard.billing.limits import quotas

Resource: TypeAlias = tuple[str, str | int]
SOURCE = "application"


@dataclass(slots=True)
class TrackedUsage:
    """What is recorded when the block ends. The block may change everything but the type.

    `quantity` is in the type's unit, `resource` is (type, id). `recorded` is None until the block has ended.
    """

    usage_type: str
    key: str
    quantity: int
    user: str | int | None = None
    resource: Resource | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    recorded: Recorded | None = None

    def event(self, now: datetime) -> UsageInput:
        """The usage event as it stands.

        Raises `InvalidInput`.
        """
        kind, id_ = self.resource or (None, None)
        raw = {
            "usage_type": self.usage_type,
            "quantity": self.quantity,
            "idempotency_key": self.key,
            "user_id": None if self.user is None else str(self.user),
            "resource_type": kind,
            "resource_id": None if id_ is None else str(id_),
            "metadata": self.metadata,
        }
        return parse_usage(raw, now)


@contextmanager
def track_usage(
    usage_type: str,
    *,
    tenant_id: int,
    quantity: int = 1,
    key: str | None = None,
    user: str | int | None = None,
    resource: Resource | None = None,
    metadata: Mapping[str, Any] | None = None,
    reserve: bool = False,
    source: str = SOURCE,
    session: Session | None = None,
    clock: Callable[[], datetime] = wiring.now,
) -> Iterator[TrackedUsage]:
    """Record usage when the block ends without an exception, in `session` (the application's own by default).

    Nothing is committed here. Without a `key` one is made (a UUID of version 7); with a key that names the action, a
    second attempt counts once. `reserve` sets the quantity aside first, so that a tenant at its cap does not act.

    Raises `InvalidInput` before the block for what is wrong from the start and after it for what the block set,
    `quotas.CapReached` and `PaymentOverdue` before it, `NotFound` (no such tenant) after it, and `IdempotencyConflict`
    (the key was used with another body, or holds a place for another quantity).
    """
    session = session or wiring.session()
    now = clock()
    usage = TrackedUsage(usage_type, key or time_ordered_key(now), quantity, user, resource, dict(metadata or {}))
    usage.event(now)
    if reserve:
        quotas.reserve(session, tenant_id, usage_type, quantity, key=usage.key, now=now)
    reserved_key = usage.key if reserve else None
    try:
        yield usage
        now = clock()
        event = usage.event(now)
        _refuse_other_key(reserved_key, usage.key)
        usage.recorded = record_usage(session, tenant_id, event, source=source, now=now)
    except BaseException:
        if reserved_key:
            _give_back(session, tenant_id, reserved_key)
        raise


def _refuse_other_key(reserved: str | None, used: str) -> None:
    if reserved and used != reserved:
        raise InvalidInput("idempotency_key", f"must stay {reserved!r}: the quantity is reserved under it")


def _give_back(session: Session, tenant_id: int, key: str) -> None:
    # A transaction that has failed can only be rolled back, and that gives the reservation back as well.
    with suppress(SQLAlchemyError), session.begin_nested():
        quotas.release(session, tenant_id, key)


def time_ordered_key(now: datetime) -> str:
    """A new UUID of version 7 (RFC 9562): later keys sort later, to the millisecond, which keeps their index dense."""
    chance = secrets.randbits(74)
    value = int(now.timestamp() * 1000) << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance & (1 << 62) - 1
    return str(UUID(int=value))
