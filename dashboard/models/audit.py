"""Who did what, to what, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class AuditEntry(Base):
    """One act. Append-only: triggers of the migration refuse UPDATE, DELETE and TRUNCATE.

    `tenant_id` 0 is the installation itself: an act of staff that is about no tenant, or about all. So every key leads
    with the tenant, and there is no foreign key. `actor` is an e-mail address, the name of an API key or of a part of
    the system; `actor_kind` says which.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        CheckConstraint("actor_kind IN ('member', 'staff', 'api_key', 'system')", name="actor_kind"),
        CheckConstraint("jsonb_typeof(details) = 'object'", name="details_object"),
        Index("ix_audit_entries_action", "tenant_id", "action", "id"),
        Index("ix_audit_entries_actor", "tenant_id", "actor", "id"),
    )

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    actor: Mapped[str]
    actor_kind: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    acted_at: Mapped[datetime]
