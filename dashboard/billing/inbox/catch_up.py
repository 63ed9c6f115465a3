"""How far Stripe's event lists were read: where the next look begins, and what the last one found."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.models import StripeCatchUp

# Stripe lists 30 days.
FURTHEST = timedelta(days=30)
# An event may appear in the list some time after it was created.
OVERLAP = timedelta(hours=1)


def start_of_look(session: Session, name: str, now: datetime, since: datetime | None = None) -> datetime:
    """A little before where the last look ended, or at `since` if that is earlier: no look leaves a gap before it.

    The first look begins as far back as there is.
    """
    furthest = now - FURTHEST
    reached = session.scalar(select(StripeCatchUp.reached_at).where(StripeCatchUp.name == name))
    start = reached - OVERLAP if reached else furthest
    return max(min(start, since or start), furthest)


def note_look(session: Session, name: str, reached: datetime, found: int) -> None:
    """A list was read to its end: everything created before `reached` is stored."""
    statement = insert(StripeCatchUp).values(name=name, reached_at=reached, found=found)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "reached_at": statement.excluded.reached_at,
                "found": statement.excluded.found,
            },
        )
    )


def last_looks(session: Session) -> list[StripeCatchUp]:
    """The last look into each list."""
    return list(session.scalars(select(StripeCatchUp).order_by(StripeCatchUp.name)))
