"""Six months in about a minute: the sandbox's clock runs, and everything else is the platform's own work.

People act on the example platform, which sends texts and makes calls through Countinghouse and Twilio's sandbox and
reports the rest through its client. Others write to it and call it. Plans are bought on the hosted page, meters are
synced by the worker, invoices come back by webhook. Nothing here writes usage: each event has its cause.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from random import Random

from demo.accounts import DemoTenant
from demo.callers import Callers
from demo.day import a_length, about, actions_of_noon, busyness, texts_and_calls
from demo.platform import ExamplePlatform
from demo.timeline import Timeline
from demo.traffic import Traffic
from demo.visitor import Visitor

DAYS = 183
# Juniper's owner ends the subscription on this day; it stays active to the end of its period. After that Free stops
# its texts at what it includes.
LAST_DAY_OF_JUNIPER = 152


class Seed:
    """The walk from six months ago to today."""

    def __init__(
        self,
        base: str,
        platform: ExamplePlatform,
        callers: dict[str, Callers],
        timeline: Timeline,
        traffic: Traffic,
        tenants: list[DemoTenant],
        say: Callable[[str], None],
    ) -> None:
        self.base, self.platform, self.callers, self.timeline = base, platform, callers, timeline
        self.traffic, self.tenants, self.say = traffic, tenants, say
        self.random = Random(20_260)
        self.people = ThreadPoolExecutor(2 * len(tenants))

    def run(self) -> None:
        """Walk all days, then catch up with the wall clock."""
        for day in range(DAYS):
            morning = (self.timeline.start + timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0)
            if day:
                self.timeline.advance(morning + timedelta(minutes=10))
                self.timeline.read_storage()
            self._change_plans(day, morning)
            self.timeline.advance(morning + timedelta(hours=9, minutes=40))
            self._speak(morning, self._write_in)
            self.timeline.advance(morning + timedelta(hours=12, minutes=5))
            self._spend_noon(morning)
            self.timeline.advance(morning + timedelta(hours=15, minutes=10))
            self._speak(morning, self._call_in)
            self._end_day()
            if day % 30 == 29:
                self.say(f"  {day + 1} of {DAYS} days")
        self.timeline.catch_up()
        self.people.shutdown()

    def _change_plans(self, day: int, morning: datetime) -> None:
        for tenant in self.tenants:
            visitor = Visitor(self.base)
            owner = tenant.logins[0]
            if day == tenant.first_day:
                self.timeline.advance(morning + timedelta(hours=8, minutes=11 * tenant.first_day, seconds=24))
                visitor.log_in(owner.email, owner.password)
                visitor.buy_plan(tenant.id, tenant.plan)
                self.timeline.settle()
            if day == LAST_DAY_OF_JUNIPER and tenant.slug == "juniper-studio":
                visitor.log_in(owner.email, owner.password)
                visitor.end_subscription(tenant.id)
                self.timeline.settle()

    def _speak(self, morning: datetime, come_in: Callable[[DemoTenant, datetime], Callable[[], object]]) -> None:
        """Half a day's texts and calls: those of the tenants' people, and meanwhile those that come in."""
        work: list[Callable[[], object]] = []
        for tenant in self.tenants:
            actions = texts_and_calls(tenant, morning, self.traffic, self.random)
            work += [partial(self.platform.act, tenant.slug, actions), come_in(tenant, morning)]
        self._at_once(work)

    def _write_in(self, tenant: DemoTenant, morning: datetime) -> Callable[[], object]:
        texts = [next(self.traffic.texts) for _ in range(about(busyness(tenant, morning) / 3, self.random))]
        return partial(self.callers[tenant.slug].text, texts)

    def _call_in(self, tenant: DemoTenant, morning: datetime) -> Callable[[], object]:
        lengths = [a_length(self.random) for _ in range(about(busyness(tenant, morning) / 6, self.random))]
        return partial(self.callers[tenant.slug].call, lengths)

    def _spend_noon(self, morning: datetime) -> None:
        """What happened in the minutes up to now; an earlier moment would count as reported late."""
        self._at_once(
            [
                partial(self.platform.act, tenant.slug, actions_of_noon(tenant, morning, self.traffic, self.random))
                for tenant in self.tenants
            ]
        )

    def _end_day(self) -> None:
        self.timeline.announce_usage()
        self.timeline.settle()

    def _at_once(self, work: list[Callable[[], object]]) -> None:
        """Let everybody act at the same time."""
        for done in [self.people.submit(each) for each in work]:
            done.result()
