"""Writing acts of a request into the audit trail: who is asking, and for which tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import g
from flask_login import current_user

from dashboard.billing.tenants.audit import Actor, ActorKind, record_audit
from dashboard.models import Role
from dashboard.wiring import now, session


def current_actor() -> Actor:
    """Who asks: a service by the name of its key, a member, or one of the staff."""
    if "api_key_name" in g:
        return Actor(g.api_key_name, ActorKind.API_KEY)
    is_member = g.get("role") in set(Role)
    return Actor(current_user.email, ActorKind.STAFF if current_user.is_staff and not is_member else ActorKind.MEMBER)


def audit(action: str, subject: str, details: Mapping[str, Any] | None = None, *, tenant_id: int | None = None) -> None:
    """Write down an act for the tenant of this request, in its transaction; without a tenant, for the installation.

    `tenant_id` is whom it is about where staff act, whose addresses are no tenant's.
    """
    if tenant_id is None:
        tenant_id = g.tenant.id if "tenant" in g else g.get("tenant_id")
    record_audit(
        session(),
        actor=current_actor(),
        tenant_id=tenant_id,
        action=action,
        subject=subject,
        details=details,
        now=now(),
    )
