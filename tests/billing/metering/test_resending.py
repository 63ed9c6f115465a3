"""Refused and lost batches: mended once, under a new identifier; late reports of them are settled quietly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard.billing import metering
from dashboard.billing.errors import NotFound, NotNow
from dashboard.billing.metering import meter_errors
from dashboard.billing.ports.events import MeterErrorFacts
from dashboard.billing.ports.providers import ProviderRefused
from dashboard.models import MeterEvent, Tenant
from tests.billing.metering.steps import RecordingSender, claim, events_of, proposals_of, rollup_of, send
from tests.factories import NOON, record


def report(*identifiers: str, code: str = "meter_event_customer_not_found", event_id: str = "evt_1") -> MeterErrorFacts:
    samples = [{"message": f"No: {each}", "identifier": each} for each in identifiers]
    errors: tuple[dict[str, Any], ...] = ({"code": code, "count": len(samples), "samples": samples},)
    return MeterErrorFacts(event_id, "mtr_1", "invalid events", len(samples), errors, NOON, NOON)


@pytest.fixture
def batch(session: Session, tenant: Tenant) -> MeterEvent:
    """A batch that Stripe took."""
    record(session, tenant, quantity=7)
    claim(session, tenant)
    send(session, tenant, RecordingSender())
    return events_of(session, tenant)[0]


def states(session: Session, tenant: Tenant) -> list[tuple[str, str]]:
    return [(event.kind, event.state) for event in events_of(session, tenant)]


def test_a_report_rejects_the_batch_that_it_names(session: Session, tenant: Tenant, batch: MeterEvent) -> None:
    assert meter_errors.store_meter_errors(session, report(batch.identifier, "of-another-program"), NOON) == 1
    (event,) = events_of(session, tenant)
    assert (event.state, event.error_code) == ("rejected", "meter_event_customer_not_found")
    assert "does not know the customer" in metering.cause_of(event.error_code).text
    assert meter_errors.store_meter_errors(session, report(batch.identifier), NOON) == 0


def test_a_mended_batch_has_a_new_identifier_and_the_customer_of_today(
    session: Session, tenant: Tenant, batch: MeterEvent
) -> None:
    """superserve-ai/sandbox#376: a corrected retry was taken for the old one."""
    meter_errors.store_meter_errors(session, report(batch.identifier), NOON)
    tenant.stripe_customer_id = "cus_new"
    session.flush()
    mended = metering.resend(session, tenant.id, batch.id, NOON)
    assert mended.event is not None
    assert mended.event.identifier != batch.identifier
    assert mended.event.payload == {"stripe_customer_id": "cus_new", "value": "7"}
    assert mended.event.replaces_id == batch.id
    again = metering.resend(session, tenant.id, batch.id, NOON)
    assert again.event is not None
    assert again.event.id == mended.event.id
    send(session, tenant, RecordingSender())
    assert states(session, tenant) == [("usage", "superseded"), ("resend", "sent")]
    assert rollup_of(session, tenant).claimed == 7
    assert claim(session, tenant) == 0


def test_a_late_report_of_a_mended_batch_changes_nothing(session: Session, tenant: Tenant, batch: MeterEvent) -> None:
    """superserve-ai/sandbox#376: a late error report answered 500 for ever."""
    meter_errors.store_meter_errors(session, report(batch.identifier), NOON)
    metering.resend(session, tenant.id, batch.id, NOON)
    send(session, tenant, RecordingSender())
    assert meter_errors.store_meter_errors(session, report(batch.identifier, event_id="evt_2"), NOON) == 0
    assert states(session, tenant) == [("usage", "superseded"), ("resend", "sent")]


def test_a_resent_batch_that_fails_too_is_mended_again(session: Session, tenant: Tenant, batch: MeterEvent) -> None:
    meter_errors.store_meter_errors(session, report(batch.identifier), NOON)
    metering.resend(session, tenant.id, batch.id, NOON)
    send(session, tenant, RecordingSender(ProviderRefused("still archived", code="archived_meter")))
    second = events_of(session, tenant)[1]
    metering.resend(session, tenant.id, second.id, NOON)
    send(session, tenant, RecordingSender())
    assert states(session, tenant) == [("usage", "superseded"), ("resend", "superseded"), ("resend", "sent")]
    assert len({event.identifier for event in events_of(session, tenant)}) == 3


def test_without_a_customer_a_refused_batch_waits(session: Session, tenant: Tenant, batch: MeterEvent) -> None:
    meter_errors.store_meter_errors(session, report(batch.identifier), NOON)
    tenant.stripe_customer_id = None
    session.flush()
    with pytest.raises(NotNow, match="no customer"):
        metering.resend(session, tenant.id, batch.id, NOON)
    assert states(session, tenant) == [("usage", "rejected")]


def test_a_refused_batch_that_grew_too_old_is_proposed(session: Session, tenant: Tenant, batch: MeterEvent) -> None:
    meter_errors.store_meter_errors(session, report(batch.identifier), NOON)
    mended = metering.resend(session, tenant.id, batch.id, NOON + timedelta(days=36))
    assert mended.proposal is not None
    assert (mended.proposal.reason, mended.proposal.quantity) == ("too_old", 7)
    assert states(session, tenant) == [("usage", "superseded")]
    assert (rollup_of(session, tenant).claimed, rollup_of(session, tenant).settled) == (7, 7)
    assert metering.resend(session, tenant.id, batch.id, NOON + timedelta(days=36)) == metering.Mended()
    assert len(proposals_of(session, tenant)) == 1


def test_only_refused_or_lost_batches_of_the_tenant_are_sent_again(
    session: Session, tenant: Tenant, batch: MeterEvent
) -> None:
    with pytest.raises(NotFound):
        metering.resend(session, tenant.id + 1, batch.id, NOON)
    record(session, tenant)
    claim(session, tenant)
    with pytest.raises(NotNow, match="pending"):
        metering.resend(session, tenant.id, events_of(session, tenant)[1].id, NOON)
