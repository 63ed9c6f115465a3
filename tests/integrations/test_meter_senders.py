"""Meter events over HTTP: version 1 one by one, version 2's stream by the hundred, each with what can go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from dashboard.billing.metering import Outage, deliver
from dashboard.billing.ports.meters import EventToSend
from dashboard.billing.ports.providers import ProviderBusy, ProviderRefused, ProviderUnavailable
from dashboard.integrations.stripe.client import build_meter_client
from dashboard.integrations.stripe.meter_gateway import MeterGateway
from dashboard.integrations.stripe.meter_stream import MeterStream
from dashboard.wiring import now, wiring
from tests.billing.metering.steps import NoWait
from tests.faults.metered import set_up_meters
from tests.sandbox_server import SandboxServer

STREAM = "POST /v2/billing/meter_event_stream"


@pytest.fixture
def gateway(app: Flask) -> MeterGateway:
    set_up_meters()
    return MeterGateway(build_meter_client(wiring().settings))


@pytest.fixture
def stream(gateway: MeterGateway) -> MeterStream:
    settings = wiring().settings
    return MeterStream(build_meter_client(settings), lambda token: build_meter_client(settings, token))


def events(count: int, name: str = "sms_sent", age: timedelta = timedelta()) -> list[EventToSend]:
    payload = {"stripe_customer_id": "cus_stream", "value": "2"}
    return [EventToSend(1, n, name, payload, f"id-{name}-{n}", now() - age) for n in range(count)]


def counted() -> int:
    """What the sandbox counts of sent texts."""
    v1 = wiring().stripe_client.v1
    meter = next(each for each in v1.billing.meters.list().data if each.event_name == "sms_sent")
    minute = int(now().timestamp()) // 60 * 60
    span = {"customer": "cus_stream", "start_time": minute - 86_400, "end_time": minute + 3_600}
    return int(sum(row.aggregated_value for row in v1.billing.meters.event_summaries.list(meter.id, span).data))  # type: ignore[arg-type]


def deliver_all(sender: MeterStream, wanted: Sequence[EventToSend]) -> list[str | None]:
    with ThreadPoolExecutor(2) as pool:
        return [outcome.error for outcome in deliver(wanted, sender, NoWait(), pool, Outage()).outcomes]


@pytest.mark.parametrize(
    ("name", "age", "code"),
    [
        ("sms_sent", timedelta(days=36), "timestamp_too_far_in_past"),
        ("sms_sent", timedelta(minutes=-10), "timestamp_in_future"),
        ("no_such_meter", timedelta(), "archived_meter"),
    ],
)
def test_a_refusal_at_once_has_the_code_of_a_report(
    gateway: MeterGateway, name: str, age: timedelta, code: str
) -> None:
    with pytest.raises(ProviderRefused) as refusal:
        gateway.send(events(1, name, age))
    assert refusal.value.code == code


def test_an_identifier_that_stripe_has_is_delivery(gateway: MeterGateway) -> None:
    assert [gateway.send(events(1)), gateway.send(events(1))] == [[True], [False]]
    assert counted() == 2


@pytest.mark.parametrize(
    ("kind", "error", "is_untaken"),
    [
        ("rate_limit", ProviderBusy, True),
        ("error_500", ProviderUnavailable, False),
        ("drop_after", ProviderUnavailable, False),
    ],
)
def test_an_answer_that_fails_says_whether_it_may_have_been_taken(
    gateway: MeterGateway,
    sandbox: SandboxServer,
    kind: str,
    error: type[ProviderUnavailable],
    is_untaken: bool,
) -> None:
    sandbox.fail("POST /v1/billing/meter_events", kind)
    with pytest.raises(error) as caught:
        gateway.send(events(1))
    assert caught.value.is_untaken is is_untaken


def test_without_a_connection_nothing_was_taken(app: Flask) -> None:
    settings = wiring().settings.model_copy(update={"stripe_api_base": "http://127.0.0.1:9"})
    with pytest.raises(ProviderUnavailable) as caught:
        MeterGateway(build_meter_client(settings)).send(events(1))
    assert caught.value.is_untaken


def test_taking_back_what_stripe_does_not_know_is_no_error(gateway: MeterGateway) -> None:
    gateway.send(events(1))
    for _ in range(2):
        gateway.cancel("sms_sent", "id-sms_sent-0")
    assert counted() == 0


def test_the_stream_takes_a_hundred_a_call_and_each_identifier_once(stream: MeterStream) -> None:
    assert deliver_all(stream, events(250)) == [None] * 250
    assert deliver_all(stream, events(250)) == [None] * 250
    assert counted() == 500


def test_a_session_that_ran_out_is_renewed(stream: MeterStream, sandbox: SandboxServer) -> None:
    stream.send(events(1))
    sandbox.advance(advance_by=16 * 60)
    stream.send(events(3))
    assert counted() == 6


def test_the_stream_after_a_lost_answer_counts_once(stream: MeterStream, sandbox: SandboxServer) -> None:
    sandbox.fail(STREAM, "drop_after")
    assert deliver_all(stream, events(100)) == [None] * 100
    assert counted() == 200


def test_a_wrong_event_in_the_stream_is_refused_alone(stream: MeterStream) -> None:
    wanted = events(99)
    wanted.insert(40, EventToSend(1, 500, "", {"value": "1"}, "id-wrong", now()))
    with ThreadPoolExecutor(1) as pool:
        done = deliver(wanted, stream, NoWait(), pool, Outage())
    assert [outcome.event.id for outcome in done.outcomes if outcome.error] == [500]
    assert counted() == 198
