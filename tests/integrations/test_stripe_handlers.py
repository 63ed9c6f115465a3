"""The table of event types: every family is in it with a reason, and each event finds the object to fetch."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.integrations.stripe.event_gateway import THIN_TYPES
from dashboard.integrations.stripe.handlers import KINDS, POINTERS, TABLE, row_of, subject_of
from tests.stripe_webhooks import event

FAMILIES = """
    customer.created customer.updated customer.deleted customer.discount.created customer.tax_id.created
    customer.subscription.created customer.subscription.updated customer.subscription.deleted
    customer.subscription.paused customer.subscription.resumed customer.subscription.trial_will_end
    customer.subscription.pending_update_applied customer.subscription.pending_update_expired
    invoice.created invoice.updated invoice.finalized invoice.finalization_failed invoice.sent invoice.paid
    invoice.payment_succeeded invoice.payment_failed invoice.payment_action_required invoice.payment_attempt_required
    invoice.overdue invoice.overpaid invoice.will_be_due invoice.upcoming invoice.marked_uncollectible invoice.voided
    invoice.deleted invoice_payment.paid payment_method.attached payment_method.detached payment_method.updated
    payment_method.automatically_updated checkout.session.completed checkout.session.expired
    checkout.session.async_payment_succeeded checkout.session.async_payment_failed product.created price.updated
    billing.meter.created billing.alert.triggered billing.credit_grant.created credit_note.created charge.refunded
    refund.created charge.dispute.created entitlements.active_entitlement_summary.updated
    subscription_schedule.created v1.billing.meter.error_report_triggered v1.billing.meter.no_meter_found
"""


@pytest.mark.parametrize("kind", FAMILIES.split())
def test_every_family_has_a_row_and_a_reason(kind: str) -> None:
    row = row_of(kind)
    assert row is not None
    assert len(row.why) > 10


@pytest.mark.parametrize("kind", ["payment_link.created", "invoiceitem.created", "charge.succeeded", "customer.x"])
def test_what_changes_nothing_has_none(kind: str) -> None:
    assert row_of(kind) is None
    assert subject_of(event(kind)) is None


def test_no_row_is_written_twice_and_every_thin_type_is_listed() -> None:
    assert len({row.events for row in TABLE}) == len(TABLE)
    assert all(row_of(each) for each in THIN_TYPES)
    assert not set(KINDS) & set(POINTERS)


@pytest.mark.parametrize(
    ("kind", "about", "subject"),
    [
        ("invoice.paid", {}, "invoice:x_1"),
        ("invoice.upcoming", {"id": None}, None),
        ("invoice_payment.paid", {"invoice": "in_1"}, "invoice:in_1"),
        ("invoice_payment.paid", {"invoice": {"id": "in_1"}}, "invoice:in_1"),
        ("customer.subscription.updated", {}, "subscription:x_1"),
        ("customer.discount.created", {"customer": "cus_1", "subscription": None}, "customer:cus_1"),
        ("customer.discount.created", {"customer": "cus_1", "subscription": "sub_1"}, "subscription:sub_1"),
        ("customer.tax_id.updated", {"customer": "cus_1"}, "customer:cus_1"),
        ("payment_method.attached", {"customer": "cus_1"}, "customer:cus_1"),
        ("checkout.session.completed", {}, "checkout:x_1"),
        ("credit_note.created", {"invoice": "in_1"}, "invoice:in_1"),
        ("charge.refunded", {"payment_intent": "pi_1"}, "payment:pi_1"),
        ("charge.refunded", {"payment_intent": None}, "charge:x_1"),
        ("charge.refund.updated", {"payment_intent": "pi_1"}, "payment:pi_1"),
        ("refund.failed", {"payment_intent": None, "charge": "ch_1"}, "charge:ch_1"),
        ("charge.dispute.created", {"payment_intent": "pi_1"}, "payment:pi_1"),
        ("entitlements.active_entitlement_summary.updated", {"customer": "cus_1", "id": None}, "entitlements:cus_1"),
        ("subscription_schedule.updated", {"subscription": "sub_1"}, "subscription:sub_1"),
        ("subscription_schedule.released", {"released_subscription": "sub_1"}, "subscription:sub_1"),
        ("subscription_schedule.created", {"subscription": None, "customer": "cus_1"}, "customer:cus_1"),
        ("price.deleted", {}, "price:x_1"),
        ("product.created", {}, None),
    ],
)
def test_an_event_names_the_object_to_fetch(kind: str, about: dict[str, Any], subject: str | None) -> None:
    found = subject_of(event(kind, "x_1", about=about))
    assert (str(found) if found else None) == subject


def test_a_detached_payment_method_leads_to_the_customer_it_had() -> None:
    detached = event("payment_method.detached", "pm_1", about={"customer": None})
    detached["data"]["previous_attributes"] = {"customer": "cus_1"}
    assert str(subject_of(detached)) == "customer:cus_1"


def test_a_thin_event_is_fetched_by_its_own_id() -> None:
    thin = {"id": "evt_1", "object": "v2.core.event", "type": THIN_TYPES[0], "related_object": {"id": "mtr_1"}}
    assert str(subject_of(thin)) == "meter_errors:evt_1"
