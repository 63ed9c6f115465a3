"""All that happened to one tenant, on one line of time, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.plans.plans import free_plan
from dashboard.billing.staff.staff_totals import STATE
from dashboard.billing.staff.story_sources import DAYS, KINDS, SOURCES, Source
from dashboard.billing.staff.tenant_directory import EVENTS_OF_PERIOD, HEALTH, HEALTH_OF_TENANT, LATE_AFTER

PAGE = 50
LONGEST_REF = 255
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)

_HEADER = text(
    f"""
    SELECT t.id, t.name, t.billing_email, t.stripe_customer_id, t.created_at, COALESCE(b.plan, :free) AS plan,
           b.interval, COALESCE(b.status, 'none') AS status, {STATE} AS state, b.read_only_at, b.period_end,
           COALESCE(b.amount_owed, 0) AS amount_owed, b.currency, b.delinquent_since,
           {EVENTS_OF_PERIOD.format(tenant="t.id")} AS events, {HEALTH_OF_TENANT} AS health,
           (SELECT u.recorded_at FROM billing_usage u WHERE u.tenant_id = t.id ORDER BY u.id DESC LIMIT 1)
               AS last_activity_at,
           (SELECT m.sent_at FROM meter_events m WHERE m.tenant_id = t.id ORDER BY m.id DESC LIMIT 1) AS last_sent_at,
           (SELECT count(*) FROM memberships m WHERE m.tenant_id = t.id) AS members
      FROM tenants t LEFT JOIN billing_states b ON b.tenant_id = t.id
     WHERE t.id = :tenant_id
    """
)


@dataclass(frozen=True, slots=True)
class TenantHeader:
    """Where a tenant stands. `events` are the actions of the billing period that runs."""

    id: int
    name: str
    billing_email: str
    stripe_customer_id: str | None
    created_at: datetime
    plan: str
    interval: str | None
    status: str
    state: str
    read_only_at: datetime | None
    period_end: datetime | None
    amount_owed: int
    currency: str | None
    delinquent_since: datetime | None
    events: int
    health: str
    last_activity_at: datetime | None
    last_sent_at: datetime | None
    members: int

    @property
    def health_label(self) -> str:
        """The health of its sync in a word or three."""
        return HEALTH[self.health]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened: `what` is the kind of thing, `ref` its id, `data` what a sentence about it needs."""

    at: datetime
    what: str
    ref: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry that was told: what comes next is older, or its neighbour at the same moment."""

    at: datetime
    what: str
    ref: str

    def as_text(self) -> str:
        """As it stands in an address."""
        return f"{self.at.isoformat()}|{self.what}|{self.ref}"

    @classmethod
    def read(cls, value: str) -> Cursor:
        """From an address.

        Raises `InvalidInput`.
        """
        wrong = InvalidInput("before", "must be the end of a page, as its link to older entries says it")
        parts = value.split("|", 2)
        if len(parts) != 3 or len(value) > LONGEST_REF or not value.isprintable():
            raise wrong
        try:
            at = datetime.fromisoformat(parts[0])
        except ValueError:
            raise wrong from None
        if at.tzinfo is None or not 1970 <= at.year < 9999:
            raise wrong
        return cls(at, parts[1], parts[2])


def find_header(session: Session, tenant_id: int, now: datetime) -> TenantHeader:
    """Where the tenant stands.

    Raises `NotFound`.
    """
    scope = {"tenant_id": tenant_id, "now": now, "late": now - LATE_AFTER, "free": free_plan().key}
    row = session.execute(_HEADER, scope).mappings().first()
    if row is None:
        raise NotFound(f"no tenant {tenant_id}")
    return TenantHeader(**{**row, "events": int(row["events"])})


def tell_story(
    session: Session, header: TenantHeader, *, kind: str | None = None, before: Cursor | None = None
) -> tuple[list[Entry], Cursor | None]:
    """A page of entries, the newest first, of one kind or of all, and where the next page begins. One query.

    Raises `InvalidInput` for a kind there is not.
    """
    if kind and kind not in KINDS:
        raise InvalidInput("kind", f"must be one of {', '.join(KINDS)}")
    wanted = [source for source in SOURCES if not kind or source.kind == kind]
    parts = " UNION ALL ".join(_select(source, is_first=before is None) for source in wanted)
    statement = f"SELECT * FROM ({parts}) story ORDER BY at DESC, what DESC, ref DESC LIMIT :rows"
    scope: dict[str, object] = {
        "tenant_id": header.id,
        "customer_id": header.stripe_customer_id or "",
        "rows": PAGE + 1,
        **{f"{what}_before": _day_of(before, what) for what in DAYS},
    }
    if before is not None:
        scope |= {"before_at": before.at, "before_what": before.what, "before_ref": before.ref}
    return _cut([Entry(*row) for row in session.execute(text(statement), scope)])


def _day_of(before: Cursor | None, what: str) -> datetime:
    """The first day whose sum of this kind was told: it stands at the end of its day, so the cursor's day was."""
    if before is None:
        return _FOREVER
    reached = before.at.astimezone(UTC) + timedelta(microseconds=DAYS[what] - 1)
    return reached.replace(hour=0, minute=0, second=0, microsecond=0)


def _cut(rows: list[Entry]) -> tuple[list[Entry], Cursor | None]:
    """One page of these rows. A day that may have more is told on the next page, which begins with it.

    Unless it would be the first there too: then it has more rows than are looked at, and says so.
    """
    page = rows[:PAGE]
    end = next((n for n, entry in enumerate(page) if n and entry.data.get("is_cut")), len(page))
    last = page[end - 1] if page and (end < len(rows) or page[0].data.get("is_cut")) else None
    return page[:end], Cursor(last.at, last.what, last.ref) if last else None


def _select(source: Source, *, is_first: bool) -> str:
    bounds = (
        ""
        if is_first
        else f" AND {source.at} <= :before_at"
        f" AND ({source.at}, '{source.what}', {source.ref}) < (:before_at, :before_what, :before_ref)"
    )
    return (
        f"(SELECT {source.at} AS at, '{source.what}' AS what, {source.ref} AS ref, {source.data} AS data"
        f" FROM {source.body}{bounds} ORDER BY 1 DESC, 3 DESC LIMIT :rows)"
    )
