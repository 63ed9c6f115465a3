"""The runs of the meter sync as staff see them: asked for, under way, complete or failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.metering import Sent, count_owed
from dashboard.billing.webhook_inbox import count_inbox
from dashboard.models import MeterEvent, MeterEventState, SyncRun, SyncState

# A worker that says nothing for so long is gone; its events are pending still and the next run sends them.
LOST_AFTER = timedelta(minutes=5)
LIVE = (SyncState.QUEUED, SyncState.RUNNING)


def request_sync(session: Session, *, started_by: str, now: datetime, tenant_id: int | None = None) -> tuple[int, bool]:
    """Ask for a run over all tenants, or of one: (its id, whether it is new). While such a one is live, it is the
    answer.
    """
    _close_lost_runs(session, now)
    statement = (
        insert(SyncRun)
        .values(tenant_id=tenant_id, state=SyncState.QUEUED, started_by=started_by, requested_at=now, heartbeat_at=now)
        .on_conflict_do_nothing()
        .returning(SyncRun.id)
    )
    while True:
        run_id = session.scalar(statement)
        if run_id is not None:
            return run_id, True
        live = session.scalars(
            select(SyncRun.id).where(SyncRun.state.in_(LIVE), SyncRun.tenant_id.is_not_distinct_from(tenant_id))
        ).first()
        if live is not None:  # else it ended between the two statements: ask again
            return live, False


def _close_lost_runs(session: Session, now: datetime) -> None:
    session.execute(
        update(SyncRun)
        .where(SyncRun.state == SyncState.RUNNING, SyncRun.heartbeat_at < now - LOST_AFTER)
        .values(
            state=SyncState.FAILED,
            finished_at=now,
            error="The worker stopped answering. Nothing is lost: the next run sends what is pending.",
        )
    )


def list_queued_runs(session: Session) -> list[int]:
    """Runs that wait for a worker: what a sweeper enqueues after the queue was lost."""
    return list(session.scalars(select(SyncRun.id).where(SyncRun.state == SyncState.QUEUED)))


def begin_run(session: Session, run_id: int, now: datetime) -> bool:
    """Take a queued run; False when another worker has it or it is over."""
    taken = session.execute(
        update(SyncRun)
        .where(SyncRun.id == run_id, SyncRun.state == SyncState.QUEUED)
        .values(state=SyncState.RUNNING, started_at=now, heartbeat_at=now)
        .returning(SyncRun.id)
    )
    return taken.first() is not None


def note_claimed(session: Session, run_id: int, claimed: int, now: datetime) -> None:
    """Note how many meter events one chunk claimed."""
    session.execute(
        update(SyncRun).where(SyncRun.id == run_id).values(claimed=SyncRun.claimed + claimed, heartbeat_at=now)
    )


def note_waiting(session: Session, run_id: int, now: datetime) -> None:
    """Note how many meter events wait to be sent: once, after the claim, because it counts them all."""
    waiting = (
        select(func.count())
        .where(
            MeterEvent.state == MeterEventState.PENDING,
            or_(SyncRun.tenant_id.is_(None), MeterEvent.tenant_id == SyncRun.tenant_id),
        )
        .correlate(SyncRun)
        .scalar_subquery()
    )
    session.execute(update(SyncRun).where(SyncRun.id == run_id).values(to_send=waiting, heartbeat_at=now))


def note_sent(session: Session, run_id: int, sent: Sent, now: datetime) -> None:
    """Note one chunk."""
    session.execute(
        update(SyncRun)
        .where(SyncRun.id == run_id)
        .values(
            sent=SyncRun.sent + sent.new + sent.duplicates,
            duplicates=SyncRun.duplicates + sent.duplicates,
            rejected=SyncRun.rejected + sent.rejected,
            heartbeat_at=now,
        )
    )


def finish_run(session: Session, run_id: int, error: str | None, now: datetime) -> None:
    """Close the run."""
    session.execute(
        update(SyncRun)
        .where(SyncRun.id == run_id, SyncRun.state == SyncState.RUNNING)
        .values(state=SyncState.FAILED if error else SyncState.COMPLETE, error=error, finished_at=now)
    )


@dataclass(frozen=True, slots=True)
class SyncRunView:
    """One run as its page shows it. `tenant_id` is None for a run over all tenants."""

    id: int
    tenant_id: int | None
    state: str
    started_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    claimed: int
    to_send: int
    sent: int
    duplicates: int
    rejected: int
    error: str | None

    @property
    def state_label(self) -> str:
        """The state in a word."""
        return self.state.capitalize()

    @property
    def is_live(self) -> bool:
        """Whether it still changes."""
        return self.state in LIVE

    @property
    def pending(self) -> int:
        """Events it has still to send."""
        return max(self.to_send - self.sent - self.rejected, 0)

    @property
    def progress(self) -> int:
        """Percent of what it has to send; 100 once complete."""
        if self.state == SyncState.COMPLETE:
            return 100
        return min(100 * (self.sent + self.rejected) // self.to_send, 99) if self.to_send else 0


def _view(run: SyncRun) -> SyncRunView:
    return SyncRunView(
        run.id,
        run.tenant_id,
        run.state,
        run.started_by,
        run.requested_at,
        run.started_at,
        run.finished_at,
        run.claimed,
        run.to_send,
        run.sent,
        run.duplicates,
        run.rejected,
        run.error,
    )


def list_runs(session: Session, *, limit: int = 20) -> list[SyncRunView]:
    """The newest runs first."""
    return [_view(run) for run in session.scalars(select(SyncRun).order_by(SyncRun.id.desc()).limit(limit))]


def find_run(session: Session, run_id: int, *, tenant_id: int | None = None) -> SyncRunView:
    """One run; with `tenant_id` only one of that tenant.

    Raises `NotFound`.
    """
    run = session.get(SyncRun, run_id, populate_existing=True)
    if run is None or (tenant_id is not None and run.tenant_id != tenant_id):
        raise NotFound(f"no sync {run_id}")
    return _view(run)


@dataclass(frozen=True, slots=True)
class SyncOverview:
    """Whether anything is owed to Stripe: the figures that should be 0."""

    unclaimed_buckets: int
    too_old_buckets: int
    pending_events: int
    rejected_events: int
    pending_webhooks: int
    failed_webhooks: int
    last_complete_at: datetime | None


def overview(session: Session, now: datetime) -> SyncOverview:
    """What is owed, over all tenants."""
    rows = session.execute(
        select(MeterEvent.state, func.count().label("waiting"))
        .where(MeterEvent.state.in_([MeterEventState.PENDING, MeterEventState.REJECTED]))
        .group_by(MeterEvent.state)
    )
    counts = {row.state: row.waiting for row in rows}
    of_all = SyncRun.tenant_id.is_(None)
    last = select(func.max(SyncRun.finished_at)).where(SyncRun.state == SyncState.COMPLETE, of_all)
    owed, inbox = count_owed(session, now), count_inbox(session)
    return SyncOverview(
        unclaimed_buckets=owed.claimable,
        too_old_buckets=owed.too_old,
        pending_events=counts.get(MeterEventState.PENDING, 0),
        rejected_events=counts.get(MeterEventState.REJECTED, 0),
        pending_webhooks=inbox.pending,
        failed_webhooks=inbox.failed,
        last_complete_at=session.scalar(last),
    )
