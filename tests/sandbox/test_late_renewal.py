"""A sandbox that slept: what fell due meanwhile is done late, with the times it should have had."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.forms import Params
from sandbox.store import OutdatedState, Store, Thing
from sandbox.stripe import billing_cycle, catalog, customers, payment_methods, prices, schedules, subscriptions
from sandbox.webhooks import Deliveries
from sandbox.world import World
from tests.sandbox.shop import DAY, JANUARY


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store(tmp_path)
    world = World(store, Clock(tmp_path / "clock.json", None), Deliveries(store, lambda _: None))
    world.clock.set_now(JANUARY)
    yield world
    store.close()


@pytest.fixture
def subscription(world: World) -> Thing:
    customer = customers.make(world, {"name": "Ada", "email": None})
    payment_methods.attach(world, customer, payment_methods.need_method(world, "pm_card_visa"))
    return subscriptions.create(
        world, Params({"customer": customer["id"], "items": [{"price": price(world, 2900)}], "trial_period_days": "10"})
    )


def price(world: World, amount: int) -> str:
    product = catalog.create_product(world, Params({"name": f"Plan {amount}"}))["id"]
    given = {"product": product, "currency": "usd", "unit_amount": amount, "recurring": {"interval": "month"}}
    return str(prices.create_price(world, Params(given))["id"])


def periods(world: World) -> list[tuple[int, int]]:
    found = [line["period"] for invoice in world.store.all("invoice") for line in invoice["lines"]["data"]]
    return [(span["start"], span["end"]) for span in found]


def sleep(world: World, seconds: float) -> None:
    world.clock.set_now(world.clock.now() + seconds)
    billing_cycle.work_off(world)


def test_periods_join_without_a_gap_however_late_they_are_renewed(world: World, subscription: Thing) -> None:
    begun, trial_end = subscription["start_date"], subscription["trial_end"]
    sleep(world, 10 * DAY + 2.5)
    sleep(world, 62 * DAY)
    spans = periods(world)
    assert spans[:2] == [(begun, trial_end), (trial_end, trial_end + 31 * DAY)]
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert len(spans) == 4
    assert subscription["status"] != "trialing"


def test_a_phase_begins_late_all_the_same(world: World, subscription: Thing) -> None:
    sleep(world, 10 * DAY + 2.5)
    schedule = schedules.create(world, Params({"from_subscription": subscription["id"]}))
    stop, item = schedule["current_phase"]["end_date"], subscription["items"]["data"][0]
    phases = [
        {"items": [{"price": item["price"]["id"]}], "end_date": str(stop)},
        {"items": [{"price": price(world, 1000)}], "duration": {"interval": "month"}},
    ]
    schedules.update(world, Params({"phases": phases}), schedule["id"])
    sleep(world, 31 * DAY + 2.5)
    assert subscription["items"]["data"][0]["price"]["unit_amount"] == 1000
    assert subscription["items"]["data"][0]["current_period_start"] == stop
    assert world.store.all("invoice")[-1]["lines"]["data"][0]["amount"] == 1000


def test_a_restart_finds_everything_again(world: World, subscription: Thing, tmp_path: Path) -> None:
    world.store.flush()
    again = Store(tmp_path)
    assert again.by("subscription", "customer", subscription["customer"]) == [subscription]
    assert [each["id"] for each in again.all("event")] == [each["id"] for each in world.store.all("event")]
    again.close()


def test_state_of_another_version_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "sandbox.sqlite3")) as database:
        database.execute("PRAGMA user_version = 1")
        database.commit()
    with pytest.raises(OutdatedState, match="another version"):
        Store(tmp_path)
