"""The life of a meter sync: asked for, taken by a worker, counted, canceled, closed when its worker is gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput, NotFound, NotNow
from dashboard.billing.metering import Sent
from dashboard.billing.plans.plans import catalog
from dashboard.database import try_lock_object
from dashboard.models import MeterEvent, MeterEventState, SyncRun, SyncState, Tenant

LIVE = (SyncState.QUEUED, SyncState.RUNNING)
# No session here holds runs as objects that an update would have to change too.
_AS_IT_IS = {"synchronize_session": False}
LOST = "Its worker was killed. Nothing is lost: the next run sends what is pending."


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run syncs: one tenant, or (None) all; some usage types, or (None) all that have a meter."""

    tenant_id: int | None
    usage_types: Sequence[str] | None


def read_usage_types(names: object) -> list[str] | None:
    """The usage types of a sync in the form in which two of the same scope are equal; None, or all, are all of them.

    Raises `InvalidInput` for one that has no meter.
    """
    metered = sorted(kind.name for kind in catalog().metered)
    allowed = f"must be a list of usage types that have a meter: {', '.join(metered)}"
    if names is None:
        return None
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise InvalidInput("usage_types", allowed)
    unknown = sorted(set(names) - set(metered))
    if unknown:
        raise InvalidInput("usage_types", f"{allowed}; {unknown[0][:100]} is none")
    chosen = sorted(set(names))
    return None if chosen == metered else chosen


def need_tenant(session: Session, tenant_id: int | None) -> None:
    """Whose usage is to be synced; None is everybody's.

    Raises `InvalidInput` where there is no such tenant.
    """
    if tenant_id is not None and session.get(Tenant, tenant_id) is None:
        raise InvalidInput("tenant", f"must be the number of a tenant; there is no tenant {tenant_id}")


def request_sync(
    session: Session,
    *,
    started_by: str,
    now: datetime,
    tenant_id: int | None = None,
    usage_types: Collection[str] | None = None,
) -> tuple[int, bool]:
    """Ask for a run over all tenants, or of one: (its id, whether it is new).

    While one of the same scope is live, it is the answer.
    `usage_types` are those of `read_usage_types`. Raises `InvalidInput` where there is no such tenant.
    """
    need_tenant(session, tenant_id)
    close_lost_runs(session, now)
    types = list(usage_types) if usage_types is not None else None
    statement = (
        insert(SyncRun)
        .values(
            tenant_id=tenant_id,
            usage_types=types,
            state=SyncState.QUEUED,
            started_by=started_by,
            requested_at=now,
            heartbeat_at=now,
        )
        .on_conflict_do_nothing()
        .returning(SyncRun.id)
    )
    while True:
        run_id = session.scalar(statement)
        if run_id is not None:
            return run_id, True
        live = session.scalars(
            select(SyncRun.id).where(
                SyncRun.state.in_(LIVE),
                SyncRun.tenant_id.is_not_distinct_from(tenant_id),
                SyncRun.usage_types.is_not_distinct_from(literal(types, SyncRun.usage_types.type)),
            )
        ).first()
        if live is not None:  # else it ended between the two statements: ask again
            return live, False


def lock_name(run_id: int) -> tuple[object, ...]:
    """The lock that whoever does a run holds from before it begins until it is closed."""
    return "sync-run", run_id


def close_lost_runs(session: Session, now: datetime) -> None:
    """Close the runs whose worker was killed, its lock with it. The next run goes on from what is in the tables."""
    running = session.scalars(select(SyncRun.id).where(SyncRun.state == SyncState.RUNNING).order_by(SyncRun.id)).all()
    lost = [run_id for run_id in running if try_lock_object(session, *lock_name(run_id))]
    if lost:
        session.execute(
            update(SyncRun)
            .where(SyncRun.id.in_(lost), SyncRun.state == SyncState.RUNNING)
            .values(state=_ended(SyncState.FAILED), finished_at=now, error=LOST)
        )


def list_queued_runs(session: Session) -> list[int]:
    """Runs that wait for a worker: what a sweeper enqueues after the queue was lost."""
    return list(session.scalars(select(SyncRun.id).where(SyncRun.state == SyncState.QUEUED)))


def begin_run(session: Session, run_id: int, now: datetime) -> Scope | None:
    """Take a queued run, whose lock the caller holds. Answers what it is to sync; None when it is over, or under way
    elsewhere.
    """
    taken = session.execute(
        update(SyncRun)
        .where(SyncRun.id == run_id, SyncRun.state == SyncState.QUEUED)
        .values(state=SyncState.RUNNING, started_at=now, heartbeat_at=now)
        .returning(SyncRun.tenant_id, SyncRun.usage_types),
        execution_options=_AS_IT_IS,
    ).first()
    return Scope(taken.tenant_id, taken.usage_types) if taken else None


def note_claimed(session: Session, run_id: int, claimed: int, now: datetime) -> bool:
    """Note how many meter events a chunk claimed; False when the run is to stop there."""
    return _advance(session, run_id, now, claimed=SyncRun.claimed + claimed) is not None


def note_waiting(session: Session, run_id: int, now: datetime) -> int | None:
    """Note that all is claimed. Answers how many events of its scope wait, None when the run is to stop there."""
    waiting = (
        select(func.count())
        .where(
            MeterEvent.state == MeterEventState.PENDING,
            or_(SyncRun.tenant_id.is_(None), MeterEvent.tenant_id == SyncRun.tenant_id),
            or_(SyncRun.usage_types.is_(None), MeterEvent.usage_type == func.any(SyncRun.usage_types)),
        )
        .correlate(SyncRun)
        .scalar_subquery()
    )
    return _advance(session, run_id, now, to_send=waiting, sending_at=now)


def note_sent(session: Session, run_id: int, sent: Sent, now: datetime) -> bool:
    """Note what became of a chunk; False when the run is to stop there."""
    left = _advance(
        session,
        run_id,
        now,
        sent=SyncRun.sent + sent.new + sent.duplicates,
        duplicates=SyncRun.duplicates + sent.duplicates,
        rejected=SyncRun.rejected + sent.rejected,
    )
    return left is not None


def _advance(session: Session, run_id: int, now: datetime, **values: object) -> int | None:
    """Bring a run up to date. Answers how many events it found to send, None when it is to stop there."""
    # One that was closed as lost while it still worked stops here too: another may do its work by now.
    row = session.execute(
        update(SyncRun)
        .where(SyncRun.id == run_id, SyncRun.state == SyncState.RUNNING)
        .values(heartbeat_at=now, **values)
        .returning(SyncRun.cancel_requested, SyncRun.to_send),
        execution_options=_AS_IT_IS,
    ).first()
    return None if row is None or row.cancel_requested else row.to_send


def cancel_run(session: Session, run_id: int, *, canceled_by: str, now: datetime, tenant_id: int | None = None) -> None:
    """Take a waiting run back, or have one under way end after the chunk in hand; what it sent stays sent.

    With `tenant_id` only a run of that tenant. Raises `NotFound`, and `NotNow` for one that has ended.
    """
    run = session.get(SyncRun, run_id, populate_existing=True, with_for_update=True)
    if run is None or (tenant_id is not None and run.tenant_id != tenant_id):
        raise NotFound(f"no sync {run_id}")
    if run.state not in LIVE:
        raise NotNow(f"sync {run_id} has ended; there is nothing to cancel")
    if run.state == SyncState.QUEUED:
        run.state, run.finished_at = SyncState.CANCELED, now
    run.cancel_requested, run.canceled_by = True, run.canceled_by or canceled_by
    session.flush()


def finish_run(session: Session, run_id: int, error: str | None, now: datetime) -> None:
    """Close the run: failed with an error, canceled if that was asked for, else complete."""
    end = SyncState.FAILED if error else SyncState.COMPLETE
    session.execute(
        update(SyncRun)
        .where(SyncRun.id == run_id, SyncRun.state == SyncState.RUNNING)
        .values(state=_ended(end), error=error, finished_at=now),
        execution_options=_AS_IT_IS,
    )


def _ended(state: SyncState) -> ColumnElement[str]:
    return case((SyncRun.cancel_requested, SyncState.CANCELED.value), else_=state.value)
