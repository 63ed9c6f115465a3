"""What the checks of days found: kept, listed, shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.telephony_check.comparison import DayComparison
from dashboard.models import TelephonyCheck, TelephonyDifference, Tenant

DAYS_A_PAGE = 31
DIFFERENCES_A_PAGE = 100


def need_past_day(value: str, today: date, field: str = "day") -> date:
    """A day that is over.

    Raises `InvalidInput`.
    """
    try:
        day = date.fromisoformat(value)
    except ValueError:
        day = today
    if not date(2000, 1, 1) <= day < today:
        raise InvalidInput(field, f"must be a day before today (UTC), such as {today - timedelta(days=1)}")
    return day


def store_check(session: Session, comparison: DayComparison, now: datetime) -> None:
    """Put what a day's comparison found in the place of what was found before."""
    figures = {**asdict(comparison.figures), "differences": len(comparison.differences)}
    values = {"tried_at": now, "checked_at": now, "error": None, **figures}
    statement = upsert(TelephonyCheck).values(day=comparison.day, **values)
    # Locks the day's row: of two checks at once the later one's findings stand, whole.
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["day"], set_={name: getattr(statement.excluded, name) for name in values}
        )
    )
    session.execute(delete(TelephonyDifference).where(TelephonyDifference.day == comparison.day))
    if comparison.differences:
        rows = [{"day": comparison.day, **asdict(each)} for each in comparison.differences]
        session.execute(insert(TelephonyDifference), rows)


def store_failure(session: Session, day: date, error: str, now: datetime) -> None:
    """Note that a day could not be compared; what was found before stays."""
    statement = upsert(TelephonyCheck).values(day=day, tried_at=now, error=error)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["day"], set_={"tried_at": statement.excluded.tried_at, "error": statement.excluded.error}
        )
    )


@dataclass(frozen=True, slots=True)
class DayPage:
    """Days, newest first, and the day before which the next page begins, if there is one."""

    days: list[TelephonyCheck]
    next_before: date | None


def list_checks(session: Session, *, before: date | None = None) -> DayPage:
    """The days that were checked."""
    query = select(TelephonyCheck).order_by(TelephonyCheck.day.desc()).limit(DAYS_A_PAGE + 1)
    if before is not None:
        query = query.where(TelephonyCheck.day < before)
    found = list(session.scalars(query))
    days = found[:DAYS_A_PAGE]
    return DayPage(days, days[-1].day if len(found) > DAYS_A_PAGE else None)


def find_check(session: Session, day: date) -> TelephonyCheck:
    """One day.

    Raises `NotFound`.
    """
    check = session.get(TelephonyCheck, day, populate_existing=True)
    if check is None:
        raise NotFound(f"{day} was not checked")
    return check


@dataclass(frozen=True, slots=True)
class DifferencePage:
    """Differences in the order of their SIDs with the tenants' names, and the SID the next page begins after."""

    rows: list[tuple[TelephonyDifference, str | None]]
    next_after: str | None


def list_differences(session: Session, day: date, *, after: str | None = None) -> DifferencePage:
    """What was found on one day."""
    query = (
        select(TelephonyDifference, Tenant.name)
        .outerjoin(Tenant, Tenant.id == TelephonyDifference.tenant_id)
        .where(TelephonyDifference.day == day, TelephonyDifference.sid > (after or ""))
        .order_by(TelephonyDifference.sid)
        .limit(DIFFERENCES_A_PAGE + 1)
    )
    found: list[tuple[TelephonyDifference, str | None]] = [(row[0], row[1]) for row in session.execute(query)]
    rows = found[:DIFFERENCES_A_PAGE]
    return DifferencePage(rows, rows[-1][0].sid if len(found) > DIFFERENCES_A_PAGE else None)
