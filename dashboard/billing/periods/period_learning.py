"""Billing periods that Stripe told us of: stored, and the hours at their edges cut."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from dashboard.billing.ledger.rollups import rebucket_all
from dashboard.billing.mirror.mirror_rows import upsert_rows
from dashboard.models import BillingPeriod


@dataclass(frozen=True, slots=True)
class ToldPeriod:
    """A period `[starts_at, ends_at)` of a tenant's subscription. `plan` None: at a price that means none of ours."""

    tenant_id: int
    starts_at: datetime
    ends_at: datetime
    subscription_id: str
    plan: str | None

    @property
    def key(self) -> tuple[int, datetime]:
        """What makes it one period."""
        return self.tenant_id, self.starts_at


Edge = tuple[int, datetime]


def learn_period(
    session: Session,
    tenant_id: int,
    *,
    starts_at: datetime,
    ends_at: datetime,
    subscription_id: str,
    plan: str | None,
) -> None:
    """Store a period Stripe told us of, and cut the hours at its edges."""
    told = [ToldPeriod(tenant_id, starts_at, ends_at, subscription_id, plan)]
    rebucket_all(session, learn_periods(session, told, read_periods(session, told)))


def read_periods(session: Session, around: Collection[ToldPeriod]) -> dict[Edge, ToldPeriod]:
    """The stored periods of these tenants that begin no earlier than the first of these."""
    if not around:
        return {}
    columns = (
        BillingPeriod.tenant_id,
        BillingPeriod.starts_at,
        BillingPeriod.ends_at,
        BillingPeriod.subscription_id,
        BillingPeriod.plan,
    )
    rows = session.execute(
        select(*columns).where(
            BillingPeriod.tenant_id.in_({each.tenant_id for each in around}),
            BillingPeriod.starts_at >= min(each.starts_at for each in around),
        )
    )
    return {found.key: found for found in (ToldPeriod(*row) for row in rows)}


def learn_periods(session: Session, told: Iterable[ToldPeriod], known: dict[Edge, ToldPeriod]) -> set[Edge]:
    """Store periods, the last word on each; answers the edges whose hours are to be cut again, by tenant.

    A period that ended early (a cancellation) is told again with its new end. `known` is what `read_periods` answered,
    and is kept up to date.
    """
    new: dict[Edge, ToldPeriod] = {}
    edges: set[Edge] = set()
    for each in told:
        before = known.get(each.key)
        if before == each:
            continue
        if before is None:
            edges |= {each.key, (each.tenant_id, each.ends_at)}
        elif before.ends_at != each.ends_at:
            edges |= {(each.tenant_id, each.ends_at), (each.tenant_id, before.ends_at)} - {each.key}
        new[each.key] = known[each.key] = each
    rows = [
        {
            "tenant_id": each.tenant_id,
            "starts_at": each.starts_at,
            "ends_at": each.ends_at,
            "subscription_id": each.subscription_id,
            "plan": each.plan,
        }
        for each in new.values()
    ]
    upsert_rows(session, BillingPeriod, rows)
    return edges


def forget_periods(session: Session, gone: Collection[Edge]) -> None:
    """Periods that turned out to be none."""
    if gone:
        key = tuple_(BillingPeriod.tenant_id, BillingPeriod.starts_at)
        session.execute(delete(BillingPeriod).where(key.in_(sorted(gone))))
