"""Whose number is whose: who may send from it, and to whom belongs what arrives at it."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.models import PhoneNumber, Tenant

PHONE = re.compile(r"^\+[1-9][0-9]{6,14}\Z")


def need_number(value: object, field: str) -> str:
    """A number in E.164.

    Raises `InvalidInput`.
    """
    if not isinstance(value, str) or not PHONE.match(value):
        raise InvalidInput(field, "must be an E.164 number such as +15551230000")
    return value


def tenant_of_number(session: Session, number: str) -> int | None:
    """The tenant that has this number, or None."""
    return session.scalar(select(PhoneNumber.tenant_id).where(PhoneNumber.number == number))


def numbers_of(session: Session, tenant_id: int) -> list[str]:
    """The numbers of a tenant, oldest assignment first."""
    return list(
        session.scalars(
            select(PhoneNumber.number)
            .where(PhoneNumber.tenant_id == tenant_id)
            .order_by(PhoneNumber.assigned_at, PhoneNumber.number)
        )
    )


def choose_sender(session: Session, tenant: Tenant, wanted: object) -> str:
    """The number to send or call from: the one asked for, or the tenant's own when `wanted` is None.

    A tenant with numbers uses only those; one without names any number that no other tenant has.
    Raises `InvalidInput` about `from`.
    """
    number = tenant.sms_from if wanted is None else wanted
    if number is None:
        raise InvalidInput("from", "must be an E.164 number; this tenant has no number of its own")
    number = need_number(number, "from")
    if number == tenant.sms_from:
        return number
    own = {tenant.sms_from, *numbers_of(session, tenant.id)} - {None}
    if number not in own and (own or tenant_of_number(session, number) is not None):
        allowed = f": {', '.join(sorted(map(str, own)))}" if own else ""
        raise InvalidInput("from", f"must be a number of this tenant{allowed}")
    return number
