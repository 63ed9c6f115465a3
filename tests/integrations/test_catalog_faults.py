"""Any call of the set-up may fail, before it was done or after: running again finishes, and doubles nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from flask import Flask
from sqlalchemy import delete, func, select
from stripe import StripeClient

from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.database import db
from dashboard.integrations.stripe.catalog_setup import Setup, plan_setup
from dashboard.integrations.stripe.client import API_VERSION
from dashboard.models import CatalogMeter, CatalogPrice
from dashboard.wiring import unit_of_work, wiring
from tests.catalogs import changed_catalog
from tests.sandbox_server import SandboxServer

Use = Callable[[Callable[[dict[str, Any]], None]], None]
URL = "https://billing.example.com/api/billing/webhook"


@pytest.fixture
def client(sandbox: SandboxServer) -> StripeClient:
    """A client that tries once: what its retries would hide is to be seen."""
    return StripeClient(
        "sk_test_once",
        stripe_version=API_VERSION,
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=5),
        base_addresses={"api": sandbox.stripe_base},
    )


def small(values: dict[str, Any]) -> None:
    """A catalogue of two plans with one meter and one feature: few calls, of every kind."""
    values["plan_without_subscription"] = "starter"
    values["features"] = {"calls": "Calls"}
    values["meters"] = {"SMS_SENT": values["meters"]["SMS_SENT"]}
    values["plans"] = {key: values["plans"][key] for key in ("starter", "enterprise")}
    for plan in values["plans"].values():
        plan["features"] = ["calls"]
        plan["usage"] = {"SMS_SENT": plan["usage"]["SMS_SENT"]}
        del plan["prices"]["yearly"]


def changed(values: dict[str, Any]) -> None:
    """The same, with something of everything changed: a name, a price, a feature, a plan that left."""
    small(values)
    del values["plans"]["enterprise"]
    values["features"] = {"webhooks": "Webhooks"}
    values["meters"]["SMS_SENT"]["name"] = "Segments sent"
    values["plans"]["starter"] |= {"name": "Basic", "features": ["webhooks"], "prices": {"monthly": 3_100}}


@pytest.fixture
def use(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Make the process work with another catalogue."""
    process = "dashboard.billing.plans.plans._Process.catalog"
    return lambda change: monkeypatch.setattr(process, changed_catalog(change))


def set_up(client: StripeClient) -> Setup:
    """Plan, run and hand over, as `apply` does."""
    with unit_of_work() as session:
        setup = plan_setup(session, client, wiring().pins, webhook_url=URL)
        setup.run()
    setup.hand_over()
    return setup


def forget(sandbox: SandboxServer) -> None:
    """An empty Stripe and empty tables."""
    sandbox.http.delete(f"{sandbox.stripe_base}/_sandbox/faults", timeout=5)
    sandbox.post("/_sandbox/reset", {})
    with unit_of_work() as session:
        session.execute(delete(CatalogPrice))
        session.execute(delete(CatalogMeter))


def fail_each_call(
    sandbox: SandboxServer, client: StripeClient, kind: str, prepare: Callable[[], None]
) -> Iterator[int]:
    """Begin anew with each call of a set-up failing in turn, until one set-up has no such call any more."""
    for n in range(200):
        forget(sandbox)
        prepare()
        if n:
            sandbox.fail("", "delay", times=n, seconds=0.0001)  # lets n calls pass
        sandbox.fail("", kind, times=1)
        try:
            set_up(client)
        except ProviderUnavailable:
            yield n
        else:
            return
    pytest.fail("the set-up never ends")


@pytest.mark.parametrize("kind", ["error_500", "rate_limit", "drop_before", "drop_after"])
def test_a_first_set_up_that_failed_at_any_call_is_finished_by_running_again(
    sandbox: SandboxServer, client: StripeClient, use: Use, kind: str
) -> None:
    use(small)
    failed = 0
    for failed in fail_each_call(sandbox, client, kind, lambda: None):  # noqa: B007 (its last value is looked at)
        set_up(client)
        v1 = client.v1
        assert len(v1.products.list().data) == 2
        assert len(v1.billing.meters.list().data) == 1
        assert sorted(str(price.lookup_key) for price in v1.prices.list({"limit": 100}).data) == [
            "enterprise_monthly",
            "enterprise_sms_sent",
            "starter_monthly",
            "starter_sms_sent",
        ]
        assert len(v1.entitlements.features.list().data) == 1
        assert_settled(client, prices=4)
    assert failed == 22  # the last of eight reads and fifteen writes, counted from 0


@pytest.mark.parametrize("kind", ["error_500", "drop_after"])
def test_a_change_that_failed_at_any_call_is_finished_by_running_again(
    sandbox: SandboxServer, client: StripeClient, use: Use, kind: str
) -> None:
    def before() -> None:
        use(small)
        set_up(client)
        use(changed)

    failed = 0
    for failed in fail_each_call(sandbox, client, kind, before):  # noqa: B007 (its last value is looked at)
        set_up(client)
        v1 = client.v1
        assert {each.name: each.active for each in v1.products.list().data} == {
            "Countinghouse Basic": True,
            "Countinghouse Enterprise": False,
        }
        fees = {(price.unit_amount, price.active) for price in v1.prices.list({"limit": 100}).data if price.unit_amount}
        assert fees == {(2_900, False), (3_100, True), (49_900, False)}
        assert [each.lookup_key for each in v1.entitlements.features.list().data] == ["webhooks"]
        assert_settled(client, prices=2)
    assert failed > 15


def assert_settled(client: StripeClient, *, prices: int) -> None:
    """One endpoint that delivers, one portal, each product its one feature, our tables filled; nothing left to do."""
    v1 = client.v1
    assert [each.status for each in v1.webhook_endpoints.list().data].count("enabled") == 1
    assert len(v1.billing_portal.configurations.list().data) == 1
    assert len(v1.products.features.list("countinghouse_starter").data) == 1
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(CatalogPrice).where(CatalogPrice.active)) == prices
    with unit_of_work() as session:
        assert plan_setup(session, client, wiring().pins, webhook_url=URL).changes == []
