"""The demo's time: it runs in leaps, and nothing that falls due on the way is left behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import func, select

from dashboard.billing.inbox.webhook_inbox import count_inbox
from dashboard.integrations.spool import list_files
from dashboard.jobs.metering import start_sync
from dashboard.jobs.outgoing import announce_usage_thresholds
from dashboard.jobs.storage import measure_storage
from dashboard.models import DeliveryState, Subscription, SyncRun, SyncState, WebhookDelivery
from dashboard.wiring import now, unit_of_work, wiring
from demo.sandbox_control import SandboxControl, wait_until

PATIENCE = 60  # seconds for whatever is waited for


class Timeline:
    """Moves the sandbox's clock, and does at its time what the schedule would do in the hours that are leapt over."""

    def __init__(self, app: Flask, control: SandboxControl) -> None:
        self.app, self.control = app, control
        self.start = control.now()
        with app.app_context():
            self._clock, self._counted = wiring().clock, wiring().settings.api_request_spool
        self._period_ends: list[datetime] = []

    def advance(self, target: datetime) -> None:
        """Let time pass up to `target`. Where a billing period ends on the way, its last usage is synced first,

        within the hour that Stripe waits before it finalizes the invoice.
        """
        self._let_usage_arrive()
        while ending := [end for end in self._period_ends if end <= target]:
            self._leap(min(min(ending) + timedelta(minutes=2), target))
            self.sync()
            self._leap(min(min(ending) + timedelta(minutes=64), target))
            self.settle()
        self._leap(target)

    def read_storage(self) -> None:
        """The day's storage reading of every tenant, as the daily job takes it."""
        with self.app.app_context():
            measure_storage(now())

    def announce_usage(self) -> None:
        """Tell tenants what they have used up of their plan, as the job of every minute does."""
        with self.app.app_context():
            announce_usage_thresholds()

    def sync(self) -> None:
        """Ask the worker for a meter sync and wait for its end."""
        with self.app.app_context():
            run_id = start_sync("demo")
        wait_until(lambda: self._state_of(run_id) in {SyncState.COMPLETE, SyncState.FAILED}, "the meter sync", PATIENCE)
        if self._state_of(run_id) == SyncState.FAILED:
            raise RuntimeError(f"meter sync {run_id} failed")

    def settle(self) -> None:
        """Wait until everything told by Stripe and Twilio has arrived, and everything told to tenants too."""
        wait_until(self._is_settled, "webhooks to arrive and be processed", PATIENCE)
        self._period_ends = self._read_period_ends()

    def catch_up(self) -> None:
        """From the last day to now."""
        self.advance(datetime.now(UTC))
        self.sync()
        self.control.advance_to_real_time()
        self.settle()
        self._let_usage_arrive()

    def _let_usage_arrive(self) -> None:
        """What happened is in the ledger before time goes on, as it is within seconds where time does not leap."""
        wait_until(
            lambda: self.control.is_idle() and not list_files(self._counted), "ended calls and API requests", PATIENCE
        )

    def _leap(self, moment: datetime) -> None:
        """There is no way back: periods that end within the same hour are leapt over together."""
        if moment > self._clock.now():
            self.control.advance_to(moment)

    def _read_period_ends(self) -> list[datetime]:
        with self.app.app_context(), unit_of_work() as session:
            ends = session.scalars(
                select(Subscription.current_period_end).where(
                    Subscription.status == "active", Subscription.current_period_end.is_not(None)
                )
            )
            return [end for end in ends if end is not None]

    def _state_of(self, run_id: int) -> str:
        with self.app.app_context(), unit_of_work() as session:
            return session.get_one(SyncRun, run_id).state

    def _is_settled(self) -> bool:
        if not self.control.is_idle():
            return False
        with self.app.app_context(), unit_of_work() as session:
            inbox = count_inbox(session)
            if inbox.failed:
                raise RuntimeError(f"{inbox.failed} webhooks could not be processed; see the worker's log")
            # What the inbox led to is announced in the same transaction, so this look comes second.
            to_send = session.scalar(select(func.count()).where(WebhookDelivery.state == DeliveryState.PENDING))
        return inbox.pending == 0 and to_send == 0
