"""When each entry of the schedule was last due and taken care of."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from dashboard.database import Base


class ScheduleTick(Base):
    """The newest tick of one entry, in real time (UTC). Whoever moves it on enqueues the entry's job."""

    __tablename__ = "schedule_ticks"

    name: Mapped[str] = mapped_column(primary_key=True)
    tick_at: Mapped[datetime]
