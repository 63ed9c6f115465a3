"""Billing actions as pages and the API do them: one at a time for a tenant, once for each idempotency key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.billing.subscriptions.billing_requests import find_answer, hold_billing, store_answer
from dashboard.jobs.metering import send_usage_of
from dashboard.jobs.outgoing import enqueue_due_webhooks
from dashboard.web.audit import audit
from dashboard.wiring import now, session, wiring

# What the audit calls each action, and which parts of request and answer say what it was done to.
AUDITED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "checkout": ("plan.checkout", ("plan", "interval")),
    "change": ("plan.changed", ("plan", "interval", "outcome")),
    "cancel": ("subscription.canceled", ("when", "status")),
    "pause": ("subscription.paused", ("status",)),
    "resume": ("subscription.resumed", ("status",)),
    "default": ("payment_method.default", ("id", "label")),
    "portal": ("portal.opened", ("flow",)),
}


def desk_of(tenant_id: int, key: str = "read") -> Desk:
    """What the domain works with in this request."""
    parts = wiring()
    return Desk(session(), parts.billing, parts.pins, tenant_id, key, now())


def act(
    tenant_id: int,
    action: str,
    body: Mapping[str, Any],
    key: str,
    do: Callable[[Desk], dict[str, Any]],
    *,
    bills_usage: bool = False,
) -> dict[str, Any]:
    """Do it, remember the answer under its key, commit. `bills_usage`: Stripe has to know all usage before.

    Raises what `do` raises, and `IdempotencyConflict`.
    """
    if bills_usage:
        send_usage_of(tenant_id)
    desk = desk_of(tenant_id, key)
    hold_billing(desk.session, tenant_id)
    known = find_answer(desk, action, body)
    if known is not None:
        desk.session.commit()
        return known
    try:
        answer = do(desk)
    except (NotNow, InvalidInput, ProviderRefused, ProviderUnavailable):
        # What was learnt of Stripe on the way is true all the same: a customer that was made, a checkout that is over.
        desk.session.commit()
        raise
    store_answer(desk, action, body, answer)
    _write_down(action, body, answer)
    desk.session.commit()
    enqueue_due_webhooks()
    return answer


def _write_down(action: str, body: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    name, parts = AUDITED[action]
    if answer.get("outcome") == "unchanged":
        return
    if answer.get("outcome") == "kept":
        name = "plan.change_withdrawn"
    told = {part: value for part in parts if (value := body.get(part) or answer.get(part))}
    audit(name, ", ".join(str(value) for value in told.values()) or "The subscription", told)
