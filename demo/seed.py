"""Six months in under a minute: the sandbox's clock runs, and everything else is the platform's own work.

People act on the example platform, which sends texts through Countinghouse and Twilio's sandbox and reports the rest
through its client. Plans are bought on the hosted page, meters are synced by the worker, invoices come back by webhook.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import requests
from flask import Flask
from sqlalchemy import select

from dashboard.billing.webhook_inbox import count_inbox
from dashboard.jobs.metering import start_sync
from dashboard.models import Subscription, SyncRun, SyncState
from dashboard.wiring import unit_of_work
from demo.accounts import DemoTenant
from demo.day import CAMPAIGNS, a_number, actions_of_day
from demo.direct import direct_usage_of_day
from demo.platform import ExamplePlatform
from demo.sandbox_control import SandboxControl, wait_until
from demo.traffic import Traffic
from demo.visitor import Visitor

DAYS = 183
# Juniper's owner ends the subscription on this day; it stays active to the end of its period.
LAST_DAY_OF_JUNIPER = 152


class Seed:
    """The walk from six months ago to today."""

    def __init__(
        self,
        app: Flask,
        base: str,
        platform: ExamplePlatform,
        control: SandboxControl,
        traffic: Traffic,
        tenants: list[DemoTenant],
        say: Callable[[str], None],
    ) -> None:
        self.app, self.base, self.platform, self.control = app, base, platform, control
        self.traffic, self.tenants, self.say = traffic, tenants, say
        self.random = random.Random(20_260)
        self.start = control.now()
        self.http = {tenant.slug: requests.Session() for tenant in tenants}
        self.people = ThreadPoolExecutor(len(tenants))

    def run(self) -> None:
        """Walk all days, then catch up with the wall clock."""
        for day in range(DAYS):
            morning = (self.start + timedelta(days=day)).replace(hour=0, minute=0, second=0)
            self._change_plans(day, morning)
            for hour, minute in ((9, 40), (15, 10)):
                self._advance(morning + timedelta(hours=hour, minutes=minute))
                self._send_texts(morning)
            self._advance(morning + timedelta(hours=19))
            self._spend_day(morning)
            if day % 30 == 29:
                self.say(f"  {day + 1} of {DAYS} days")
        self._catch_up()
        self.people.shutdown()

    def _change_plans(self, day: int, morning: datetime) -> None:
        for tenant in self.tenants:
            visitor = Visitor(self.base)
            owner = tenant.logins[0]
            if day == tenant.first_day:
                self._advance(morning + timedelta(hours=8, minutes=11 * tenant.first_day, seconds=24))
                visitor.log_in(owner.email, owner.password)
                visitor.buy_plan(tenant.id, tenant.plan)
                self._settle()
            if day == LAST_DAY_OF_JUNIPER and tenant.slug == "juniper-studio":
                visitor.log_in(owner.email, owner.password)
                visitor.end_subscription(tenant.id)
                self._settle()

    def _send_texts(self, morning: datetime) -> None:
        """Half a day's texts of each tenant; weekends are quiet."""
        weekend = morning.weekday() >= 5
        actions: dict[str, list[dict[str, Any]]] = {}
        for tenant in self.tenants:
            count = tenant.texts_a_day if not weekend else tenant.texts_a_day // 2
            actions[tenant.slug] = [
                {
                    "action": "send-text",
                    "to": a_number(self.random),
                    "text": next(self.traffic.texts),
                    "user": self.random.choice(tenant.logins).email,
                    "campaign": self.random.choice(CAMPAIGNS),
                }
                for _ in range(self.random.randint(count // 2, count) // 2 + self.random.randint(0, 1))
            ]
        self._act(actions)

    def _spend_day(self, morning: datetime) -> None:
        self._act({tenant.slug: actions_of_day(tenant, morning, self.traffic, self.random) for tenant in self.tenants})
        for tenant in self.tenants:
            events = direct_usage_of_day(tenant, morning, self.random)
            self._post(tenant, "/api/billing/usage/events", {"events": events})

    def _act(self, actions: dict[str, list[dict[str, Any]]]) -> None:
        """Let the people of all tenants act at the same time."""
        for done in [self.people.submit(self.platform.act, slug, some) for slug, some in actions.items()]:
            done.result()

    def _post(self, tenant: DemoTenant, path: str, body: dict[str, Any]) -> None:
        answer = self.http[tenant.slug].post(
            f"{self.base}{path}", json=body, headers={"Authorization": f"Bearer {tenant.key}"}, timeout=30
        )
        if answer.status_code not in {200, 201}:
            raise RuntimeError(f"POST {path} answered {answer.status_code}: {answer.text[:300]}")

    def _advance(self, target: datetime) -> None:
        """Let time pass up to `target`. Where a billing period ends on the way, its last usage is synced first,

        within the hour that Stripe waits before it finalizes the invoice.
        """
        while True:
            ending = [end for end in self._period_ends() if end <= target]
            if not ending:
                break
            self.control.advance_to(min(ending) + timedelta(minutes=2))
            self.sync()
            self.control.advance_to(min(ending) + timedelta(minutes=64))
            self._settle()
        if target > self.control.now():
            self.control.advance_to(target)

    def _period_ends(self) -> list[datetime]:
        with self.app.app_context(), unit_of_work() as session:
            ends = session.scalars(
                select(Subscription.current_period_end).where(
                    Subscription.status == "active", Subscription.current_period_end.is_not(None)
                )
            )
            return [end for end in ends if end is not None]

    def sync(self) -> None:
        """Ask the worker for a meter sync and wait for its end."""
        with self.app.app_context():
            run_id = start_sync("demo")
        wait_until(lambda: self._state_of(run_id) in {SyncState.COMPLETE, SyncState.FAILED}, "the meter sync", 60)
        if self._state_of(run_id) == SyncState.FAILED:
            raise RuntimeError(f"meter sync {run_id} failed")

    def _state_of(self, run_id: int) -> str:
        with self.app.app_context(), unit_of_work() as session:
            return session.get_one(SyncRun, run_id).state

    def _settle(self) -> None:
        """Wait until every webhook arrived and was processed."""
        wait_until(self._is_settled, "webhooks to arrive and be processed", 60)

    def _is_settled(self) -> bool:
        if not self.control.is_idle():
            return False
        with self.app.app_context(), unit_of_work() as session:
            inbox = count_inbox(session)
        if inbox.failed:
            raise RuntimeError(f"{inbox.failed} webhooks could not be processed; see the worker's log")
        return inbox.pending == 0

    def _catch_up(self) -> None:
        """From the last day to now."""
        self.sync()
        self.control.advance_to_real_time()
        self._settle()
