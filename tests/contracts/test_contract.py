"""The checker tells right from wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sandbox.shapes import whole
from tests.contracts.contract import check_answer, check_event, check_request

PRICE = "/v1/prices"
SESSION = "/v1/checkout/sessions"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/customers", "name=Ada&metadata[tenant_id]=7"),
        ("POST", "/v1/customers/cus_1", "description="),
        ("POST", PRICE, "product=p&currency=usd&unit_amount=2900&recurring[interval]=month"),
        (
            "POST",
            PRICE,
            (
                "product=p&currency=usd&billing_scheme=tiered&tiers_mode=graduated&tiers[0][up_to]=100"
                "&tiers[0][unit_amount_decimal]=0&tiers[1][up_to]=inf&tiers[1][unit_amount_decimal]=2.4"
                "&recurring[interval]=month&recurring[usage_type]=metered&recurring[meter]=mtr_1"
            ),
        ),
        (
            "POST",
            "/v1/billing/meter_events",
            "event_name=sms_sent&payload[stripe_customer_id]=cus_1&payload[value]=3&identifier=a&timestamp=1780000000",
        ),
        (
            "POST",
            SESSION,
            "mode=subscription&line_items[0][price]=price_1&line_items[0][quantity]=1&success_url=http://a",
        ),
        ("DELETE", "/v1/subscriptions/sub_1", "invoice_now=true"),
        ("POST", "/v1/invoices/create_preview", "customer=cus_1"),
    ],
)
def test_a_good_request_passes(method: str, path: str, body: str) -> None:
    assert check_request(method, path, "", body) == []


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "words"),
    [
        ("POST", "/v1/custmers", "", "", "no such call"),
        ("PUT", "/v1/customers", "", "", "no such call"),
        ("POST", "/v1/customers", "", "nmae=Ada", "nmae: unknown"),
        ("POST", PRICE, "", "product=p&unit_amount=1", "currency: missing"),
        ("POST", PRICE, "", "product=p&currency=usd&unit_amount=1.5", "unit_amount"),
        ("POST", PRICE, "", "product=p&currency=usd&billing_scheme=stairs", "billing_scheme"),
        ("POST", PRICE, "", "product=p&currency=usd&recurring[interval]=fortnight", "recurring.interval"),
        ("POST", PRICE, "", "product=p&currency=usd&recurring[interval]=month&recurring[every]=2", "every: unknown"),
        ("POST", "/v1/billing/meter_events", "", "event_name=a&payload[value][x]=3", "payload"),
        ("POST", "/v1/billing/meter_events", "", "payload[value]=3", "event_name: missing"),
        ("POST", SESSION, "", "mode=subscription&payment_method_types[0]=card", "payment_method_types: unknown"),
        ("POST", SESSION, "", "mode=subscription&ui_mode=hosted", "ui_mode"),
        ("GET", "/v1/prices", "active=perhaps", "", "active"),
        ("POST", "/v1/subscriptions/sub_1", "", "cancel_at_period_end=yes", "cancel_at_period_end"),
    ],
)
def test_a_bad_request_is_told(method: str, path: str, query: str, body: str, words: str) -> None:
    assert any(words in problem for problem in check_request(method, path, query, body))


METER = {
    "id": "mtr_1",
    "object": "billing.meter",
    "created": 1,
    "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
    "default_aggregation": {"formula": "sum"},
    "display_name": "SMS sent",
    "event_name": "sms_sent",
    "event_time_window": None,
    "livemode": False,
    "status": "active",
    "status_transitions": {"deactivated_at": None},
    "updated": 1,
    "value_settings": {"event_payload_key": "value"},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(METER), **changes}


def test_a_good_answer_passes() -> None:
    assert check_answer(200, METER) == []
    assert check_answer(200, {"object": "list", "data": [METER], "has_more": False, "url": "/v1/billing/meters"}) == []
    assert check_answer(200, {"id": "cus_1", "object": "customer", "deleted": True}) == []
    assert check_answer(400, {"error": {"type": "invalid_request_error", "message": "no"}}) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (changed(status="asleep"), "status"),
        (changed(created="1"), "created"),
        (changed(colour="red"), "colour: unknown"),
        (changed(default_aggregation={"formula": "median"}), "formula"),
        (changed(default_aggregation=None), "default_aggregation"),
        ({key: value for key, value in METER.items() if key != "event_name"}, "event_name: missing"),
        (changed(object="billing.metre"), "no 'billing.metre'"),
        (changed(livemode=0), "livemode"),
        ({"object": "list", "data": [changed(id=7)], "has_more": False, "url": "/"}, "data[0].id"),
    ],
)
def test_a_bad_answer_is_told(answer: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in check_answer(200, answer))


def test_an_old_shape_is_told() -> None:
    """What older code gets wrong: fields that API versions since Basil no longer have."""
    invoice = whole({"id": "in_1", "object": "invoice", "subscription": "sub_1", "paid": True})
    problems = check_answer(200, invoice)
    assert "answer.subscription: unknown to Invoice" in problems
    assert "answer.paid: unknown to Invoice" in problems


EVENT = {
    "id": "evt_1",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": 1,
    "data": {"object": METER},
    "livemode": False,
    "pending_webhooks": 1,
    "request": {"id": None, "idempotency_key": None},
    "type": "billing.meter.created",
}


def test_a_good_event_passes() -> None:
    assert check_event(EVENT) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "billing.meter.born"}, "type"),
        ({"created": None}, "created"),
        ({"data": {"object": changed(status="asleep")}}, "status"),
        ({"note": "hello"}, "note: unknown"),
    ],
)
def test_a_bad_event_is_told(change: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in check_event({**EVENT, **change}))


STREAM = "/v2/billing/meter_event_stream"
THIN = {
    "id": "evt_1",
    "object": "v2.core.event",
    "context": None,
    "created": "2027-01-01T00:00:00.000Z",
    "livemode": False,
    "reason": None,
    "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"},
    "snapshot_event": None,
    "type": "v1.billing.meter.error_report_triggered",
}


def test_the_second_version_is_held_to_its_own_types() -> None:
    event = '{"events": [{"event_name": "a", "payload": {"value": "3"}, "timestamp": "2027-01-01T00:00:00Z"}]}'
    assert check_request("POST", STREAM, "", event) == []
    assert "event_name: missing" in str(check_request("POST", STREAM, "", '{"events": [{"payload": {}}]}'))
    assert "payload" in str(
        check_request("POST", STREAM, "", '{"events": [{"event_name": "a", "payload": {"value": 3}}]}')
    )
    assert check_answer(200, {}, STREAM) == []
    session = {
        "id": "mes_1",
        "object": "v2.billing.meter_event_session",
        "authentication_token": "token",
        "created": "2027-01-01T00:00:00.000Z",
        "expires_at": "2027-01-01T00:15:00.000Z",
        "livemode": False,
    }
    assert check_answer(200, session, "/v2/billing/meter_event_session") == []
    assert "created" in str(check_answer(200, {**session, "created": 1}, "/v2/billing/meter_event_session"))


def test_a_thin_event_carries_no_data() -> None:
    assert check_event(THIN) == []
    assert check_event({**THIN, "data": {}}) == ["event.data: unknown"]
    assert check_event({key: value for key, value in THIN.items() if key != "created"}) == ["event.created: missing"]
    assert "data: missing" in str(check_answer(200, THIN, "/v2/core/events/evt_1"))


def test_an_upcoming_invoice_may_lack_an_id() -> None:
    upcoming = {**EVENT, "type": "invoice.upcoming", "data": {"object": {**METER, "id": None}}}
    del upcoming["data"]["object"]["id"]
    assert check_event(upcoming) == []
    assert check_event({**upcoming, "type": "invoice.created"}) == ["event.data.object.id: missing"]
