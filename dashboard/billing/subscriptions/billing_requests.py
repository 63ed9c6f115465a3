"""Billing actions by their idempotency key: the same key again gets the first answer and does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from dashboard.billing.errors import IdempotencyConflict
from dashboard.billing.ledger.usage_input import fingerprint
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.database import lock_object
from dashboard.models import BillingRequest

# As long as Stripe keeps its own keys, and a month for people who look back.
KEPT = timedelta(days=30)


def hold_billing(session: Session, tenant_id: int) -> None:
    """One billing action of a tenant at a time: a double click or a second tab waits, and then finds what was done."""
    lock_object(session, "billing-of", tenant_id)


def find_answer(desk: Desk, action: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer that this key got before, or None for a new key.

    Raises `IdempotencyConflict` for a key that was used for something else.
    """
    known = desk.session.get(BillingRequest, (desk.tenant_id, desk.key))
    if known is None:
        return None
    if known.fingerprint != _print(action, body):
        raise IdempotencyConflict(desk.key)
    return known.answer


def store_answer(desk: Desk, action: str, body: Mapping[str, Any], answer: dict[str, Any]) -> None:
    """Remember what this key got; the tenant's old keys are forgotten."""
    desk.session.execute(
        delete(BillingRequest).where(
            BillingRequest.tenant_id == desk.tenant_id, BillingRequest.created_at < desk.now - KEPT
        )
    )
    desk.session.add(
        BillingRequest(
            tenant_id=desk.tenant_id,
            idempotency_key=desk.key,
            fingerprint=_print(action, body),
            answer=answer,
            created_at=desk.now,
        )
    )
    desk.session.flush()


def _print(action: str, body: Mapping[str, Any]) -> bytes:
    return fingerprint({"action": action, "body": dict(body)})
