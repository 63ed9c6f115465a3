"""Delivery: one call at a time for a customer and meter, patience with 429, halving of what is refused together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.billing.metering import Delivered, Outage, deliver
from dashboard.billing.metering.delivery import pack
from dashboard.billing.ports.meters import EventToSend
from dashboard.billing.ports.providers import ProviderBusy, ProviderUnavailable
from tests.billing.metering.steps import NoWait, RecordingSender
from tests.factories import NOON


def event(n: int, tenant_id: int = 1, name: str = "sms_sent") -> EventToSend:
    return EventToSend(tenant_id, n, name, {"stripe_customer_id": f"cus_{tenant_id}", "value": "1"}, f"id-{n}", NOON)


def delivered(
    events: Sequence[EventToSend], sender: RecordingSender, pace: NoWait | None = None, threads: int = 1
) -> Delivered:
    with ThreadPoolExecutor(threads) as pool:
        return deliver(events, sender, pace or NoWait(), pool, Outage())


class OneAtATime(RecordingSender):
    """Fails when two calls of one customer and meter meet, and waits until another call is under way."""

    def __init__(self, together: int) -> None:
        super().__init__()
        self.busy: set[tuple[int, str]] = set()
        self.met = threading.Barrier(together, timeout=10)

    def send(self, events: Sequence[EventToSend]) -> list[bool]:
        owners = {(each.tenant_id, each.event_name) for each in events}
        assert not owners & self.busy
        self.busy |= owners
        self.met.wait()
        self.busy -= owners
        return super().send(events)


def test_customers_are_sent_for_at_once_but_each_meter_of_one_call_by_call() -> None:
    sender = OneAtATime(together=2)
    events = [event(n, tenant_id) for n, tenant_id in enumerate((1, 1, 1, 2, 2, 2))]
    assert len(delivered(events, sender, threads=2).outcomes) == 6
    assert [each.id for each in sender.sent if each.tenant_id == 1] == [0, 1, 2]


def test_events_of_a_customer_and_meter_stay_together_in_a_unit() -> None:
    events = [event(n, n % 3, name) for n in range(30) for name in ("sms_sent", "call_made")]
    units = pack(events, 25)
    owners = [{(each.tenant_id, each.event_name) for each in unit} for unit in units]
    assert sum(map(len, owners)) == len(set().union(*owners)) == 6
    assert max(map(len, units)) <= 25


def test_a_429_waits_as_long_as_stripe_asks_and_then_goes_on_with_the_same_event() -> None:
    pace, sender = NoWait(), RecordingSender(ProviderBusy("too many", retry_after=7), True)
    done = delivered([event(1)], sender, pace)
    assert [outcome.error for outcome in done.outcomes] == [None]
    assert len(pace.held) == 1
    assert pace.held[0] >= 7


def test_a_429_about_one_object_holds_only_its_own_customer() -> None:
    pace = NoWait()
    sender = RecordingSender(ProviderBusy("locked", is_for_all=False), True)
    delivered([event(1)], sender, pace)
    assert (len(pace.held), len(pace.waited)) == (0, 1)


def test_waits_grow_and_are_spread() -> None:
    pace = NoWait()
    delivered([event(1)], RecordingSender(*[ProviderBusy("too many")] * 7), pace)
    assert len(set(pace.held)) == 7
    assert all(0 <= wait <= bound for wait, bound in zip(pace.held, (0.5, 1, 2, 4, 8, 16, 20), strict=True))


def test_a_refused_batch_is_halved_until_only_the_wrong_event_is_refused() -> None:
    sender = RecordingSender(most=100, refuses=["id-37"])
    done = delivered([event(n, n) for n in range(100)], sender)
    assert [outcome.event.id for outcome in done.outcomes if outcome.error] == [37]
    assert sorted(each.id for each in sender.sent) == [n for n in range(100) if n != 37]


def test_one_customer_that_fails_stops_nobody_else() -> None:
    away = [ProviderUnavailable("500")] * 3
    done = delivered([event(n, n) for n in range(5)], RecordingSender(*away))
    assert [outcome.event.id for outcome in done.outcomes] == [1, 2, 3, 4]
    assert [each.id for each in done.uncertain] == [0]
    assert done.unavailable == "500"


def test_when_everybody_fails_the_rest_is_left_alone() -> None:
    sender = RecordingSender(*[ProviderUnavailable("no answer")] * 100)
    done = delivered([event(n, n) for n in range(50)], sender)
    assert (done.outcomes, done.unavailable) == ([], "no answer")
    assert len(sender.outcomes) == 100 - 3 * 3


@pytest.mark.parametrize(("error", "count"), [(ProviderBusy("429"), 0), (ProviderUnavailable("cut"), 1)])
def test_only_what_stripe_may_have_taken_is_uncertain(error: ProviderUnavailable, count: int) -> None:
    done = delivered([event(1)], RecordingSender(*[error] * 8))
    assert len(done.uncertain) == count
