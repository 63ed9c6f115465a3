"""A tenant to whom everything happened that its story tells, written straight into the tables."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.billing.outgoing_webhooks.outgoing_webhooks import announce
from dashboard.billing.outgoing_webhooks.webhook_endpoints import create_endpoint
from dashboard.models import BillingState, Tenant, UsageBudget, UsageCap
from dashboard.wiring import now
from tests.factories import make_period, make_tenant, record

STATEMENTS = (
    """INSERT INTO invoices (tenant_id, id, number, status, currency, subtotal, tax, total, amount_due, amount_paid,
                              amount_remaining, period_start, period_end, created_at, synced_at)
       VALUES (:t, 'in_' || :t, 'CH-0001', 'open', 'usd', 2900, 0, 2900, 2900, 0, 2900, :at, :at, :at, :at)""",
    """INSERT INTO invoice_payment_attempts (tenant_id, invoice_id, id, payment_id, status, currency, amount,
                                             amount_refunded, disputed, failure_message, created_at)
       VALUES (:t, 'in_' || :t, 'ch_' || :t, 'py_1', 'failed', 'usd', 2900, 0, false, 'Your card was declined.',
               :at)""",
    """INSERT INTO stripe_events (id, type, subject, customer_id, created_at, received_at, next_attempt_at, state,
                                  attempts, payload)
       VALUES ('evt_' || :t, 'invoice.payment_failed', 'invoice:in_1', 'cus_' || :t, :at, :at, :at, 'failed', 10,
               '{}')""",
    """INSERT INTO sync_runs (tenant_id, state, started_by, requested_at, heartbeat_at, claimed, to_send, sent,
                              duplicates, rejected)
       VALUES (:t, 'complete', 'staff@example.com', :at, :at, 1, 1, 1, 0, 0)""",
    """INSERT INTO meter_events (tenant_id, identifier, usage_type, bucket_start, sequence, event_name, payload, value,
                                 timestamp, state, error, claimed_at)
       VALUES (:t, 'cus-1', 'SMS_SENT', :at, 1, 'sms', '{}', 120, :at, 'rejected', 'the meter is inactive', :at)""",
    """INSERT INTO usage_imports (tenant_id, fingerprint, file_format, file_name, size, state, new_events, refused,
                                  started_by, started_at)
       VALUES (:t, 'x', 'csv', 'may.csv', 10, 'complete', 7, 1, 'ops', :at)""",
)


def make_eventful_tenant(session: Session, name: str = "Acme of the tests") -> Tenant:
    """The tenant; its plan is Starter, and it does not pay."""
    moment = now()
    tenant = make_tenant(session, name=name, now=moment - timedelta(days=90))
    tenant.stripe_customer_id = f"cus_{tenant.id}"
    session.flush()
    make_period(session, tenant, moment - timedelta(days=10), moment + timedelta(days=20))
    values = {"t": tenant.id, "at": moment - timedelta(days=2)}
    for statement in STATEMENTS:
        session.execute(text(statement), values)
    session.add(
        BillingState(
            tenant_id=tenant.id,
            plan="starter",
            interval="monthly",
            status="past_due",
            access="grace",
            read_only_at=moment + timedelta(days=5),
            delinquent_since=moment - timedelta(days=2),
            amount_owed=2_900,
            currency="usd",
            entitlements=[],
        )
    )
    session.add(UsageCap(tenant_id=tenant.id, usage_type="SMS_SENT", quantity=500, set_by="ada", set_at=moment))
    session.add(UsageBudget(tenant_id=tenant.id, amount=5_000, currency="usd", set_by="ada", set_at=moment))
    _use(session, tenant)
    _announce(session, tenant)
    return tenant


def _use(session: Session, tenant: Tenant) -> None:
    moment = now()
    late = record(session, tenant, now=moment, quantity=3, occurred_at=(moment - timedelta(days=3)).isoformat())
    record(session, tenant, now=moment, quantity=-3, corrects_id=late.id)
    record(session, tenant, now=moment, quantity=5)


def _announce(session: Session, tenant: Tenant) -> None:
    moment = now()
    endpoint, _ = create_endpoint(
        session,
        tenant.id,
        {"url": "https://acme.example/hook"},
        signing_key=b"k" * 16,
        allow_private=True,
        created_by="ada",
        now=moment - timedelta(days=20),
    )
    active = {"status": "active", "plan": "starter", "interval": "monthly", "cancel_at": None}
    told = {
        "subscription.changed": {"id": "sub_1", **active, "previous": None},
        "billing_state.changed": {
            "plan": "starter",
            "status": "past_due",
            "access": "grace",
            "read_only_at": moment.isoformat(),
            "previous": {"access": "full", "plan": "starter", "status": "active"},
        },
        "usage.threshold_reached": {"usage_type": "SMS_SENT", "percent": 80, "used": 80, "included": 100},
    }
    for kind, data in told.items():
        announce(session, tenant.id, kind, data, key=kind, now=moment - timedelta(days=1))
    session.execute(
        text("UPDATE webhook_deliveries SET state = 'failed', attempts = 11 WHERE endpoint_id = :id"),
        {"id": endpoint.id},
    )
