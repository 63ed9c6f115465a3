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
from dashboard.billing.staff.staff_totals import STATE
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

_RUNNING = "n.period_start <= :now AND n.period_end > :now"
EVENTS_OF_PERIOD = f"""
    COALESCE((SELECT n.events FROM tenant_period_events n WHERE n.tenant_id = {{tenant}} AND {_RUNNING}), 0)
"""
HEALTH_OF_TENANT = """
    CASE WHEN EXISTS (SELECT FROM meter_events m WHERE m.tenant_id = t.id AND m.state = 'rejected') THEN 'refused'
         ELSE COALESCE((SELECT CASE WHEN m.claimed_at < :late THEN 'late' ELSE 'waiting' END
                          FROM meter_events m WHERE m.tenant_id = t.id AND m.state = 'pending'
                         ORDER BY m.id LIMIT 1),
                       CASE WHEN t.stripe_customer_id IS NULL THEN 'no_customer' ELSE 'ok' END) END
"""
# Few tenants have meter events that wait or were refused: with this the list begins at those.
_FEW = {
    "refused": "t.id IN (SELECT tenant_id FROM meter_events WHERE state = 'rejected')",
    "late": "t.id IN (SELECT tenant_id FROM meter_events WHERE state = 'pending')",
    "waiting": "t.id IN (SELECT tenant_id FROM meter_events WHERE state = 'pending')",
}
_SEARCH = """
    (t.name ILIKE :like OR t.billing_email ILIKE :like OR t.stripe_customer_id = :q OR t.id = :id
     OR EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.tenant_id = t.id AND u.email ILIKE :like))
"""
# Each walks along an index and ends with the page.
_BY_NAME = """
    SELECT t.id FROM tenants t LEFT JOIN billing_states b ON b.tenant_id = t.id
     WHERE {conditions} ORDER BY lower(t.name), t.id LIMIT :limit
"""
_BUSY = f"""
    SELECT t.id FROM tenant_period_events n JOIN tenants t ON t.id = n.tenant_id
      LEFT JOIN billing_states b ON b.tenant_id = t.id
     WHERE n.events > 0 AND {_RUNNING} AND {{conditions}} ORDER BY n.events DESC, n.tenant_id LIMIT :limit
"""
_IDLE = f"""
    SELECT t.id FROM tenants t LEFT JOIN billing_states b ON b.tenant_id = t.id
     WHERE {EVENTS_OF_PERIOD.format(tenant="t.id")} = 0 AND {{conditions}} ORDER BY t.id LIMIT :limit
"""
_AFTER_NAME = "(lower(t.name), t.id) > ((SELECT lower(name) FROM tenants WHERE id = :after), :after)"
_AFTER_BUSY = """
    n.events <= {reached} AND (n.events < {reached} OR n.tenant_id > :after)
""".format(reached=EVENTS_OF_PERIOD.format(tenant=":after"))
_AFTER_IDLE = f"({EVENTS_OF_PERIOD.format(tenant=':after')} > 0 OR t.id > :after)"

# What stands beside the names, for those on the page alone.
_ROWS = text(
    f"""
    SELECT t.id, t.name, t.billing_email, t.stripe_customer_id, COALESCE(b.plan, :free) AS plan, {STATE} AS state,
           b.read_only_at, {EVENTS_OF_PERIOD.format(tenant="t.id")} AS events, {HEALTH_OF_TENANT} AS health,
           (SELECT u.recorded_at FROM billing_usage u WHERE u.tenant_id = t.id ORDER BY u.id DESC LIMIT 1)
               AS last_activity_at
      FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS chosen (id, place)
      JOIN tenants t ON t.id = chosen.id LEFT JOIN billing_states b ON b.tenant_id = t.id
     ORDER BY chosen.place
    """
)


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
    scope = {"now": now, "late": now - LATE_AFTER, "free": free_plan().key}
    conditions, values = _conditions(query)

    def find(statement: str, reached: str, limit: int) -> list[int]:
        wanted = " AND ".join([*conditions, reached] if query.after else conditions) or "true"
        found = session.scalars(text(statement.format(conditions=wanted)), {**scope, **values, "limit": limit})
        return list(found)

    most = PAGE + 1
    if query.sort == "usage":
        ids = find(_BUSY, _AFTER_BUSY, most)
        if len(ids) < most:
            ids += find(_IDLE, _AFTER_IDLE, most - len(ids))
    else:
        ids = find(_BY_NAME, _AFTER_NAME, most)
    rows = session.execute(_ROWS, {**scope, "ids": ids[:PAGE]}).mappings()
    return [DirectoryRow(**row) for row in rows], ids[PAGE - 1] if len(ids) > PAGE else None


def _conditions(query: DirectoryQuery) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if query.search:
        conditions.append(_SEARCH)
        escaped = query.search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        values |= {"like": f"%{escaped}%", "q": query.search, "id": int(query.search) if _is_id(query.search) else 0}
    if query.plan:
        # A tenant without a row has the free plan; of every other one the list can begin at the rows.
        conditions.append("COALESCE(b.plan, :free) = :plan" if query.plan == free_plan().key else "b.plan = :plan")
    if query.state:
        conditions.append(f"{STATE} = :state")
    if query.health:
        conditions.append(f"{HEALTH_OF_TENANT} = :health")
        if query.health in _FEW:
            conditions.append(_FEW[query.health])
    for name in ("plan", "state", "health", "after"):
        if getattr(query, name):
            values[name] = getattr(query, name)
    return conditions, values


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) < 20 and int(value) <= MAX_ID
