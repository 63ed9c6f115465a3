"""Meter events afterwards found wrong, the stream of version 2, and events taken back."""

from __future__ import annotations

import pytest
import requests
import stripe
from stripe import StripeClient

from tests.sandbox.conftest import Receiver
from tests.sandbox.shop import DAY, Shop, open_shop, use
from tests.sandbox_server import SandboxServer, wait_until

TRIGGERED = "v1.billing.meter.error_report_triggered"
NO_METER = "v1.billing.meter.no_meter_found"


@pytest.fixture
def shop(client: StripeClient) -> Shop:
    return open_shop(client)


def total(client: StripeClient, shop: Shop) -> float:
    now = int(client.v1.customers.retrieve(shop.customer).created) // 60 * 60
    span = {"customer": shop.customer, "start_time": now - DAY, "end_time": now + DAY}
    return sum(row.aggregated_value for row in client.v1.billing.meters.event_summaries.list(shop.meter, span).data)


def stream_client(client: StripeClient, sandbox: SandboxServer) -> StripeClient:
    """A client whose key is a session's token."""
    session = client.v2.billing.meter_event_session.create()
    base = sandbox.stripe_base
    return StripeClient(
        session.authentication_token,
        base_addresses={"api": base, "files": base, "connect": base, "meter_events": base},
        max_network_retries=0,
        http_client=stripe.RequestsClient(),
    )


def event(shop: Shop, value: str, identifier: str, **more: object) -> dict[str, object]:
    payload = {"stripe_customer_id": shop.customer, "value": value}
    return {"event_name": "credit", "payload": payload, "identifier": identifier, **more}


def test_the_stream_takes_a_hundred_at_once(client: StripeClient, sandbox: SandboxServer, shop: Shop) -> None:
    stream = stream_client(client, sandbox)
    stream.v2.billing.meter_event_stream.create({"events": [event(shop, "2", str(n)) for n in range(100)]})
    stream.v2.billing.meter_event_stream.create({"events": [event(shop, "2", "0")]})
    assert total(client, shop) == 200
    with pytest.raises(stripe.InvalidRequestError, match="1 to 100"):
        stream.v2.billing.meter_event_stream.create({"events": [event(shop, "2", f"x{n}") for n in range(101)]})


def test_a_session_lasts_fifteen_minutes(client: StripeClient, sandbox: SandboxServer, shop: Shop) -> None:
    stream = stream_client(client, sandbox)
    sandbox.advance(advance_by=15 * 60 + 1)
    with pytest.raises(stripe.TemporarySessionExpiredError):
        stream.v2.billing.meter_event_stream.create({"events": [event(shop, "2", "a")]})
    with pytest.raises(stripe.AuthenticationError):
        client.v2.billing.meter_event_stream.create({"events": [event(shop, "2", "a")]})


def test_a_thin_event_tells_of_what_does_not_count(
    client: StripeClient, sandbox: SandboxServer, receiver: Receiver, shop: Shop
) -> None:
    destination = client.v2.core.event_destinations.create(
        {
            "name": "meters",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": [TRIGGERED, NO_METER],
            "webhook_endpoint": {"url": receiver.url},
            "include": ["webhook_endpoint.signing_secret"],
        }
    )
    assert destination.webhook_endpoint is not None
    stream = stream_client(client, sandbox)
    stream.v2.billing.meter_event_stream.create({"events": [event(shop, "a lot", "bad"), event(shop, "2", "good")]})
    wait_until(lambda: bool(receiver.received), "the thin event")
    _, headers, body = receiver.received[0]
    secret = destination.webhook_endpoint.signing_secret
    notification = client.parse_event_notification(body, headers["Stripe-Signature"], secret)
    assert isinstance(notification, stripe.events.V1BillingMeterErrorReportTriggeredEventNotification)
    assert notification.fetch_related_object().id == shop.meter
    report = notification.fetch_event()
    (kind,) = report.data.reason.error_types
    assert (kind.code, kind.sample_errors[0].request.identifier) == ("meter_event_invalid_value", "bad")
    assert total(client, shop) == 2


def test_destinations_are_listed_page_by_page_and_rest_until_they_are_enabled(
    client: StripeClient, sandbox: SandboxServer, shop: Shop
) -> None:
    at_stripe = client.v2.core.event_destinations
    made = [
        at_stripe.create(
            {
                "name": f"number {n}",
                "type": "webhook_endpoint",
                "event_payload": "thin",
                "enabled_events": [TRIGGERED],
                "webhook_endpoint": {"url": f"http://127.0.0.1:9/{n}"},
            }
        )
        for n in range(3)
    ]
    listed = list(at_stripe.list({"limit": 1, "include": ["webhook_endpoint.url"]}).auto_paging_iter())
    assert [each.id for each in listed] == [each.id for each in reversed(made)]
    assert listed[0].webhook_endpoint is not None
    assert listed[0].webhook_endpoint.url == "http://127.0.0.1:9/2"
    for each in made:
        assert at_stripe.disable(each.id).status == "disabled"
    stream_client(client, sandbox).v2.billing.meter_event_stream.create({"events": [event(shop, "a lot", "bad")]})
    assert sandbox.pending() == 0
    assert at_stripe.enable(made[0].id).status_details is None
    assert at_stripe.update(made[0].id, {"name": "first", "metadata": {"a": "b"}}).name == "first"
    assert at_stripe.retrieve(made[0].id).to_dict()["metadata"] == {"a": "b"}
    at_stripe.delete(made[0].id)
    assert len(at_stripe.list().data) == 2


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        ({"payload": {"stripe_customer_id": "cus_none", "value": "1"}}, TRIGGERED, "meter_event_customer_not_found"),
        ({"payload": {"value": "1"}}, TRIGGERED, "meter_event_no_customer_defined"),
        ({"payload": {"stripe_customer_id": "cus", "value": "1" * 16}}, TRIGGERED, "meter_event_value_too_many_digits"),
        ({"timestamp": 1_000_000_000}, TRIGGERED, "timestamp_too_far_in_past"),
        ({"timestamp": 9_000_000_000}, TRIGGERED, "timestamp_in_future"),
        ({"event_name": "nothing"}, NO_METER, "no_meter"),
    ],
)
def test_asked_for_wrong_events_are_taken_and_told_later(
    client: StripeClient, sandbox: SandboxServer, shop: Shop, change: dict[str, object], kind: str, code: str
) -> None:
    sandbox.post("/_sandbox/settings", {"asynchronous_meter_events": True})
    taken = client.v1.billing.meter_events.create({**event(shop, "1", "a"), **change})
    assert taken.identifier == "a"
    (told,) = client.v2.core.events.list().data
    assert told.type == kind
    assert client.v2.core.events.retrieve(told.id).data.reason.error_types[0].code == code
    assert total(client, shop) == 0


def test_an_archived_meter_takes_nothing(client: StripeClient, sandbox: SandboxServer, shop: Shop) -> None:
    client.v1.billing.meters.deactivate(shop.meter)
    sandbox.post("/_sandbox/settings", {"asynchronous_meter_events": True})
    client.v1.billing.meter_events.create(event(shop, "1", "a"))
    (told,) = client.v2.core.events.list().data
    assert client.v2.core.events.retrieve(told.id).data.reason.error_types[0].code == "archived_meter"
    client.v1.billing.meters.reactivate(shop.meter)
    client.v1.billing.meter_events.create(event(shop, "1", "b"))
    assert total(client, shop) == 1


def test_an_event_is_taken_back_within_a_day(client: StripeClient, sandbox: SandboxServer, shop: Shop) -> None:
    now = int(client.v1.customers.retrieve(shop.customer).created)
    for name, value in (("kept", 3), ("wrong", 40)):
        use(client, shop, value, now, name)
    cancel = {"event_name": "credit", "type": "cancel", "cancel": {"identifier": "wrong"}}
    assert client.v1.billing.meter_event_adjustments.create(cancel).status == "complete"
    assert total(client, shop) == 3
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        use(client, shop, 4, now, "wrong")
    sandbox.advance(advance_by=DAY + 60)
    with pytest.raises(stripe.InvalidRequestError, match="24 hours"):
        client.v1.billing.meter_event_adjustments.create({**cancel, "cancel": {"identifier": "kept"}})


def test_the_second_version_speaks_json(sandbox: SandboxServer) -> None:
    url, key = f"{sandbox.stripe_base}/v2/billing/meter_event_session", {"Authorization": "Bearer sk_test_x"}
    answer = requests.post(url, data="not json", headers=key, timeout=5)
    assert (answer.status_code, "no JSON" in answer.text) == (400, True)
