"""The list of all tenants as staff search it: plan, billing state, usage of the period, sync health, last activity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import MAX_ID
from dashboard.billing.mirror.billing_state import OTHER_PLAN
from dashboard.billing.plans.plans import PLANS, free_plan
from dashboard.billing.staff.staff_overview import STATE
from dashboard.models import Access

PAGE = 50
LONGEST_SEARCH = 100
# The schedule sends each hour: what waits longer is stuck.
LATE_AFTER = timedelta(hours=2)
HEALTH = {
    "refused": "Refused by Stripe",
    "late": "Late",
    "waiting": "Waiting",
    "no_customer": "No customer yet",
    "ok": "In step",
}
SORTS = {"name": "Name", "usage": "Usage"}

EVENTS_OF_PERIOD = """
    COALESCE((SELECT sum(u.period_events) FROM tenant_usage_totals u
               WHERE u.tenant_id = {tenant} AND u.period_start <= :now AND u.period_end > :now), 0)
"""
HEALTH_OF_TENANT = """
    CASE WHEN EXISTS (SELECT FROM meter_events m WHERE m.tenant_id = t.id AND m.state = 'rejected') THEN 'refused'
         ELSE COALESCE((SELECT CASE WHEN m.claimed_at < :late THEN 'late' ELSE 'waiting' END
                          FROM meter_events m WHERE m.tenant_id = t.id AND m.state = 'pending'
                         ORDER BY m.id LIMIT 1),
                       CASE WHEN t.stripe_customer_id IS NULL THEN 'no_customer' ELSE 'ok' END) END
"""
_SEARCH = """
    (t.name ILIKE :like OR t.billing_email ILIKE :like OR t.stripe_customer_id = :q OR t.id = :id
     OR EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.tenant_id = t.id AND u.email ILIKE :like))
"""
# Who is on the page first, what stands beside their names afterwards: for those alone.
_LIST = """
    WITH chosen AS (
        SELECT t.id, {sort_key} AS sort_key
          FROM tenants t LEFT JOIN billing_states b ON b.tenant_id = t.id
         WHERE {conditions}
         ORDER BY {order} LIMIT :limit
    )
    SELECT t.id, t.name, t.billing_email, t.stripe_customer_id, COALESCE(b.plan, :free) AS plan, {state} AS state,
           b.read_only_at, {events} AS events, {health} AS health,
           (SELECT u.recorded_at FROM billing_usage u WHERE u.tenant_id = t.id ORDER BY u.id DESC LIMIT 1)
               AS last_activity_at
      FROM chosen JOIN tenants t ON t.id = chosen.id LEFT JOIN billing_states b ON b.tenant_id = t.id
     ORDER BY {outer_order}
"""


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """Which tenants to list, and in which order; None means any. `after` is the last tenant of the page before."""

    search: str | None = None
    plan: str | None = None
    state: str | None = None
    health: str | None = None
    sort: str = "name"
    after: int | None = None

    @classmethod
    def read(cls, given: dict[str, str]) -> DirectoryQuery:
        """From what a form sends; empty means any.

        Raises `InvalidInput`.
        """
        allowed = {
            "plan": [*PLANS, OTHER_PLAN],
            "state": [each.value for each in Access],
            "health": list(HEALTH),
            "sort": list(SORTS),
        }
        for name, values in allowed.items():
            if given.get(name) and given[name] not in values:
                raise InvalidInput(name, f"must be one of {', '.join(values)}")
        after = given.get("after", "")
        if after and not _is_id(after):
            raise InvalidInput("after", "must be the number of a tenant")
        search = given.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH]
        return cls(
            search=search or None,
            plan=given.get("plan") or None,
            state=given.get("state") or None,
            health=given.get("health") or None,
            sort=given.get("sort") or "name",
            after=int(after) if after else None,
        )


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """One tenant. `events` are the actions of the billing period that runs, as the totals were refreshed last."""

    id: int
    name: str
    billing_email: str
    stripe_customer_id: str | None
    plan: str
    state: str
    read_only_at: datetime | None
    events: int
    health: str
    last_activity_at: datetime | None

    @property
    def health_label(self) -> str:
        """The health in a word or three."""
        return HEALTH[self.health]


def list_tenants(session: Session, query: DirectoryQuery, now: datetime) -> tuple[list[DirectoryRow], int | None]:
    """One page, and the `after` of the next one (None: this is the last)."""
    by_usage = query.sort == "usage"
    sort_key = EVENTS_OF_PERIOD.format(tenant="t.id") if by_usage else "lower(t.name)"
    conditions, values = _conditions(query, by_usage=by_usage)
    statement = _LIST.format(
        sort_key=sort_key,
        conditions=" AND ".join(conditions) or "true",
        order="sort_key DESC, t.id" if by_usage else "sort_key, t.id",
        outer_order="chosen.sort_key DESC, t.id" if by_usage else "chosen.sort_key, t.id",
        state=STATE,
        events=EVENTS_OF_PERIOD.format(tenant="t.id"),
        health=HEALTH_OF_TENANT,
    )
    scope = {"now": now, "late": now - LATE_AFTER, "free": free_plan().key, "limit": PAGE + 1, **values}
    rows = [
        DirectoryRow(**{**row, "events": int(row["events"])})
        for row in session.execute(text(statement), scope).mappings()
    ]
    return rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None


def _conditions(query: DirectoryQuery, *, by_usage: bool) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if query.search:
        conditions.append(_SEARCH)
        escaped = query.search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        values |= {"like": f"%{escaped}%", "q": query.search, "id": int(query.search) if _is_id(query.search) else 0}
    if query.plan:
        conditions.append("COALESCE(b.plan, :free) = :plan")
    if query.state:
        conditions.append(f"{STATE} = :state")
    if query.health:
        conditions.append(f"{HEALTH_OF_TENANT} = :health")
    if query.after and by_usage:
        reached = EVENTS_OF_PERIOD.format(tenant=":after")
        here = EVENTS_OF_PERIOD.format(tenant="t.id")
        conditions.append(f"({here} < {reached} OR ({here} = {reached} AND t.id > :after))")
    elif query.after:
        conditions.append("(lower(t.name), t.id) > (SELECT lower(name), id FROM tenants WHERE id = :after)")
    for name in ("plan", "state", "health", "after"):
        if getattr(query, name):
            values[name] = getattr(query, name)
    return conditions, values


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= MAX_ID
