"""What people see of the meter sync: each run and how far it is, the history, and what is owed to Stripe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.metering import count_owed
from dashboard.billing.metering.sync_runs import LIVE
from dashboard.models import MeterEvent, MeterEventState, SyncRun, SyncState, Tenant


@dataclass(frozen=True, slots=True)
class SyncRunView:
    """One run as its page shows it. `tenant_id` is None for a run over all tenants, `usage_types` for all meters."""

    id: int
    tenant_id: int | None
    tenant_name: str | None
    usage_types: Sequence[str] | None
    state: str
    started_by: str
    canceled_by: str | None
    is_stopping: bool
    requested_at: datetime
    started_at: datetime | None
    sending_at: datetime | None
    heartbeat_at: datetime
    finished_at: datetime | None
    claimed: int
    to_send: int
    sent: int
    duplicates: int
    rejected: int
    error: str | None

    @property
    def state_label(self) -> str:
        """The state in a word or two."""
        return "Stopping" if self.is_stopping and self.is_live else self.state.capitalize()

    @property
    def is_live(self) -> bool:
        """Whether it still changes."""
        return self.state in LIVE

    @property
    def answered(self) -> int:
        """Events to which Stripe said yes or no."""
        return self.sent + self.rejected

    @property
    def pending(self) -> int:
        """Events that the run has still to send; 0 once it has ended."""
        return max(self.to_send - self.answered, 0) if self.is_live else 0

    @property
    def progress(self) -> int:
        """Percent of what it has to send; 100 once complete."""
        if self.state == SyncState.COMPLETE:
            return 100
        return min(100 * self.answered // self.to_send, 99) if self.to_send else 0

    @property
    def rate(self) -> float | None:
        """Events answered a second, over the whole time of sending; None before there is any to speak of."""
        if self.sending_at is None or not self.answered:
            return None
        seconds = ((self.finished_at or self.heartbeat_at) - self.sending_at).total_seconds()
        return self.answered / seconds if seconds > 0 else None

    @property
    def seconds_left(self) -> int | None:
        """Whole seconds until it has sent all, at the rate so far; None where that cannot be said."""
        return round(self.pending / self.rate) if self.is_live and self.rate else None

    @property
    def scope_label(self) -> str:
        """What it is about: whose usage, and of which types."""
        whose = "All tenants" if self.tenant_id is None else self.tenant_name or f"Tenant {self.tenant_id}"
        return f"{whose}, {self.types_label}" if self.usage_types else whose

    @property
    def types_label(self) -> str:
        """Its usage types by their names."""
        return ", ".join(USAGE_TYPES[name].label for name in self.usage_types or ()) or "All meters"


def _runs() -> Select[SyncRun, str]:
    return select(SyncRun, Tenant.name).outerjoin(Tenant, Tenant.id == SyncRun.tenant_id)


def _view(run: SyncRun, tenant_name: str | None) -> SyncRunView:
    return SyncRunView(
        id=run.id,
        tenant_id=run.tenant_id,
        tenant_name=tenant_name,
        usage_types=run.usage_types,
        state=run.state,
        started_by=run.started_by,
        canceled_by=run.canceled_by,
        is_stopping=run.cancel_requested,
        requested_at=run.requested_at,
        started_at=run.started_at,
        sending_at=run.sending_at,
        heartbeat_at=run.heartbeat_at,
        finished_at=run.finished_at,
        claimed=run.claimed,
        to_send=run.to_send,
        sent=run.sent,
        duplicates=run.duplicates,
        rejected=run.rejected,
        error=run.error,
    )


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first, and the id before which the next page begins, if there is one."""

    runs: list[SyncRunView]
    next_before: int | None


def list_runs(session: Session, *, tenant_id: int | None = None, before: int | None = None, limit: int = 20) -> RunPage:
    """The newest runs first, of everybody or (`tenant_id`) those of one tenant."""
    query = _runs().order_by(SyncRun.id.desc()).limit(limit + 1)
    if tenant_id is not None:
        query = query.where(SyncRun.tenant_id == tenant_id)
    if before is not None:
        query = query.where(SyncRun.id < before)
    found = [_view(run, name) for run, name in session.execute(query.execution_options(populate_existing=True))]
    return RunPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


def find_run(session: Session, run_id: int, *, tenant_id: int | None = None) -> SyncRunView:
    """One run; with `tenant_id` only one of that tenant.

    Raises `NotFound`.
    """
    query = _runs().where(SyncRun.id == run_id).execution_options(populate_existing=True)
    found = session.execute(query).first()
    if found is None or (tenant_id is not None and found[0].tenant_id != tenant_id):
        raise NotFound(f"no sync {run_id}")
    return _view(found[0], found[1])


def last_complete_at(session: Session) -> datetime | None:
    """When the last sync of all tenants and meters was complete."""
    return session.scalar(
        select(SyncRun.finished_at)
        .where(SyncRun.state == SyncState.COMPLETE, SyncRun.tenant_id.is_(None), SyncRun.usage_types.is_(None))
        .order_by(SyncRun.id.desc())
        .limit(1)
    )


@dataclass(frozen=True, slots=True)
class SyncOverview:
    """Whether anything is owed to Stripe: the figures that should be 0."""

    unclaimed_buckets: int
    too_old_buckets: int
    pending_events: int
    rejected_events: int
    last_complete_at: datetime | None


def overview(session: Session, now: datetime) -> SyncOverview:
    """What is owed, over all tenants."""
    rows = session.execute(
        select(MeterEvent.state, func.count().label("waiting"))
        .where(MeterEvent.state.in_([MeterEventState.PENDING, MeterEventState.REJECTED]))
        .group_by(MeterEvent.state)
    )
    counts = {row.state: row.waiting for row in rows}
    owed = count_owed(session, now)
    return SyncOverview(
        unclaimed_buckets=owed.claimable,
        too_old_buckets=owed.too_old,
        pending_events=counts.get(MeterEventState.PENDING, 0),
        rejected_events=counts.get(MeterEventState.REJECTED, 0),
        last_complete_at=last_complete_at(session),
    )
