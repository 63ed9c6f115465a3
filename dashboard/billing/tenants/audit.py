"""The audit trail: each act is written down in the transaction that does it, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import MAX_ID
from dashboard.models import AuditEntry

# The tenant of an act that is about the installation, not about one tenant.
INSTALLATION = 0
PAGE = 50
LONGEST = 300

# Every act there is, and what the page calls it. A new act begins with a line here.
ACTIONS: Mapping[str, str] = {
    "tenant.changed": "Changed the account",
    "member.invited": "Invited a member",
    "member.invited_again": "Sent an invitation again",
    "member.invitation_withdrawn": "Withdrew an invitation",
    "member.joined": "Joined",
    "member.role_changed": "Changed a role",
    "member.removed": "Removed a member",
    "member.mail_changed": "Changed their e-mail notices",
    "api_key.created": "Created an API key",
    "api_key.revoked": "Revoked an API key",
    "webhook.created": "Added a webhook endpoint",
    "webhook.changed": "Changed a webhook endpoint",
    "webhook.deleted": "Deleted a webhook endpoint",
    "webhook.replayed": "Sent failed webhooks again",
    "cap.set": "Set a cap",
    "cap.lifted": "Lifted a cap",
    "budget.set": "Set the budget",
    "budget.lifted": "Lifted the budget",
    "alerts.changed": "Changed the alerts",
    "plan.checkout": "Began a checkout",
    "plan.changed": "Changed the plan",
    "plan.change_withdrawn": "Took a change of plan back",
    "subscription.canceled": "Canceled the subscription",
    "subscription.paused": "Paused the subscription",
    "subscription.resumed": "Resumed the subscription",
    "payment_method.default": "Changed the default payment method",
    "payment_method.removed": "Removed a payment method",
    "portal.opened": "Opened Stripe's portal",
    "price.mapped": "Said what a price means",
    "stripe_event.replayed": "Replayed a Stripe webhook",
    "stripe_events.replayed": "Replayed all failed Stripe webhooks",
    "sync.asked": "Asked for a meter sync",
    "sync.canceled": "Canceled a meter sync",
    "meter_event.resent": "Sent a refused batch again",
    "meter_events.resent": "Asked for all refused batches to be sent again",
    "meter_event.confirmed": "Said that Stripe counts a batch",
    "proposal.accepted": "Accepted a proposal",
    "proposal.dismissed": "Dismissed a proposal",
    "reconciliation.asked": "Asked for a comparison with Stripe",
    "finding.repair_asked": "Asked for a difference to be repaired",
    "twilio_check.asked": "Asked for a day to be compared with Twilio",
    "job.requeued": "Put a failed job into its queue again",
    "job.dropped": "Dropped a failed job",
    "view.started": "Began to view the account, read-only",
    "view.stopped": "Stopped viewing the account",
}


class ActorKind(StrEnum):
    """Who acts: a person of the tenant, one of the staff, a tenant's service with a key, or the system by itself."""

    MEMBER = "member"
    STAFF = "staff"
    API_KEY = "api_key"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, by the name under which the trail keeps them."""

    name: str
    kind: ActorKind = ActorKind.MEMBER


def record_audit(
    session: Session,
    *,
    actor: Actor,
    tenant_id: int | None,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> None:
    """Write down an act, in the transaction that does it. `tenant_id` None: it is about the installation.

    `subject` says in a few words what it was done to, `details` (JSON) what changed; neither may hold a secret. A list
    of two in `details` is read as before and after.
    Raises `KeyError` for an action that `ACTIONS` does not have.
    """
    session.add(
        AuditEntry(
            tenant_id=INSTALLATION if tenant_id is None else tenant_id,
            actor=actor.name[:LONGEST],
            actor_kind=actor.kind.value,
            action=_known(action),
            subject=subject[:LONGEST],
            details=dict(details or {}),
            acted_at=now,
        )
    )
    session.flush()


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs, as `details` say it: {"name": ["old", "new"]}."""
    return {name: [before[name], after[name]] for name in after if before[name] != after[name]}


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; None means any. `acted_from` and `acted_before` bound the time, half-open."""

    action: str | None = None
    actor: str | None = None
    acted_from: datetime | None = None
    acted_before: datetime | None = None

    @classmethod
    def read(
        cls,
        action: str | None = None,
        actor: str | None = None,
        acted_from: datetime | None = None,
        acted_before: datetime | None = None,
    ) -> AuditFilter:
        """From what a form sends; empty means any.

        Raises `InvalidInput` (`action`, `actor`).
        """
        if action and action not in ACTIONS:
            raise InvalidInput("action", f"must be one of {', '.join(ACTIONS)}")
        if actor and ("\x00" in actor or len(actor) > LONGEST):
            raise InvalidInput("actor", f"must be at most {LONGEST} characters, without NUL characters")
        return cls(action or None, actor or None, acted_from, acted_before)


def list_audit(
    session: Session,
    tenant_id: int | None,
    wanted: AuditFilter | None = None,
    *,
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[list[AuditEntry], int | None]:
    """Entries of a tenant (None: of the installation), the newest first, below the id `before`.

    Also where the next page begins, or None when this is the last.
    """
    wanted = wanted or AuditFilter()
    query = select(AuditEntry).where(AuditEntry.tenant_id == (INSTALLATION if tenant_id is None else tenant_id))
    if before is not None:
        query = query.where(AuditEntry.id < min(before, MAX_ID))
    if wanted.action:
        query = query.where(AuditEntry.action == wanted.action)
    if wanted.actor:
        query = query.where(AuditEntry.actor == wanted.actor)
    if wanted.acted_from:
        query = query.where(AuditEntry.acted_at >= wanted.acted_from)
    if wanted.acted_before:
        query = query.where(AuditEntry.acted_at < wanted.acted_before)
    rows = list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit + 1)))
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


def _known(action: str) -> str:
    ACTIONS[action]
    return action
