"""What a comparison of a day's texts and calls with Twilio's own records found."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class TelephonyCheck(Base):
    """One day (UTC), over all tenants, as it was when it was last compared.

    `error` says why the last try came to nothing; the figures are then those of the one before, if there was one.
    Figures are segments and whole seconds; `undecided` counts records that Twilio had not decided yet.
    """

    __tablename__ = "telephony_checks"

    day: Mapped[date] = mapped_column(primary_key=True)
    tried_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    error: Mapped[str | None]
    texts: Mapped[int] = mapped_column(server_default=text("0"))
    segments_ours: Mapped[int] = mapped_column(server_default=text("0"))
    segments_theirs: Mapped[int] = mapped_column(server_default=text("0"))
    calls: Mapped[int] = mapped_column(server_default=text("0"))
    seconds_ours: Mapped[int] = mapped_column(server_default=text("0"))
    seconds_theirs: Mapped[int] = mapped_column(server_default=text("0"))
    undecided: Mapped[int] = mapped_column(server_default=text("0"))
    differences: Mapped[int] = mapped_column(server_default=text("0"))


class TelephonyDifference(Base):
    """A text or call that the two sides count differently.

    A list for staff over the whole Twilio account, so its key has no tenant: `tenant_id` is None where the number is
    nobody's, and no foreign key. `ours` and `theirs` are segments or seconds, None where that side has no record.
    """

    __tablename__ = "telephony_differences"
    __table_args__ = (
        CheckConstraint("kind IN ('text', 'call')", name="kind"),
        CheckConstraint("reason IN ('missing_here', 'missing_there', 'different')", name="reason"),
    )

    day: Mapped[date] = mapped_column(ForeignKey("telephony_checks.day", ondelete="CASCADE"), primary_key=True)
    sid: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    reason: Mapped[str]
    tenant_id: Mapped[int | None]
    number: Mapped[str | None]
    direction: Mapped[str | None]
    status: Mapped[str | None]
    ours: Mapped[int | None]
    theirs: Mapped[int | None]
