"""Where a tenant's story comes from: one SELECT for each thing that happens to a tenant.

Each gives (at, what, ref, data): when, what kind of thing, its id as text, and what a sentence about it needs. Of what
comes often a day is told as one sum, which stands at the end of its UTC day.
"""

from __future__ import annotations

from typing import NamedTuple

KINDS = {
    "plan": "Plan and account",
    "invoice": "Invoices",
    "payment": "Payments",
    "stripe": "Stripe webhooks",
    "sync": "Meter syncs",
    "meter": "Meter errors",
    "usage": "Usage changes",
    "limit": "Limits",
    "delivery": "Deliveries",
    "audit": "Audit trail",
}


class Source(NamedTuple):
    """`at` and `ref` are its columns of time and of id, `body` is all from FROM on."""

    kind: str
    what: str
    at: str
    ref: str
    data: str
    body: str


# What a tenant could hear of by webhook was announced whether or not it has an endpoint: so that is our history.
_MESSAGES = "webhook_messages e WHERE e.tenant_id = :tenant_id AND e.event_type = '{}'"
# Days are made of this many of the newest rows, so that a page costs the same for every tenant: `is_cut` says that the
# oldest of these days may have more.
SAMPLE = 1_000

# Days' sums at one moment would hide behind each other: each kind stands so many microseconds before midnight.
DAYS = {"batches": 1, "late": 2, "corrected": 3}


def _days(what: str, moment: str, rows: str, *, order: str, more: str = "") -> str:
    """One row for each UTC day of `rows`, as a FROM clause; those before `:<what>_before`."""
    day = "date_trunc('day', moment, 'UTC')"
    return f"""
        (SELECT {day} AS day, count(*) AS events{more},
                sum(count(*)) OVER () = {SAMPLE} AND {day} = min({day}) OVER () AS is_cut
           FROM (SELECT {moment} AS moment, * FROM {rows} AND {moment} < :{what}_before
                  ORDER BY {order} DESC LIMIT {SAMPLE}) newest
          GROUP BY 1) e WHERE true
    """


def _end_of_day(what: str) -> str:
    return f"e.day + interval '1 day' - interval '{DAYS[what]} microseconds'"


_SENT_DAYS = _days(
    "batches",
    "claimed_at",
    "meter_events WHERE tenant_id = :tenant_id",
    order="id",
    more=", count(*) FILTER (WHERE state = 'sent') AS sent",
)
_LATE_DAYS = _days(
    "late",
    "occurred_at",
    "billing_usage WHERE tenant_id = :tenant_id AND recorded_at - occurred_at > interval '1 hour'",
    order="occurred_at",
)
_CORRECTED_DAYS = _days(
    "corrected",
    "recorded_at",
    "billing_usage WHERE tenant_id = :tenant_id AND corrects_id IS NOT NULL",
    order="recorded_at",
)

SOURCES: tuple[Source, ...] = (
    Source(
        "plan",
        "created",
        "e.created_at",
        "e.id::text",
        "jsonb_build_object('name', e.name)",
        "tenants e WHERE e.id = :tenant_id",
    ),
    Source(
        "plan",
        "subscription",
        "e.created_at",
        "e.id::text",
        "e.body::jsonb -> 'data'",
        _MESSAGES.format("subscription.changed"),
    ),
    Source(
        "plan",
        "state",
        "e.created_at",
        "e.id::text",
        "e.body::jsonb -> 'data'",
        _MESSAGES.format("billing_state.changed"),
    ),
    Source(
        "plan",
        "checkout",
        "e.created_at",
        "e.id",
        "jsonb_build_object('plan', e.plan, 'interval', e.interval, 'state', e.state)",
        "checkout_sessions e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "invoice",
        "invoice",
        "e.created_at",
        "e.id",
        "jsonb_build_object('number', e.number, 'status', e.status, 'total', e.total, 'currency', e.currency)",
        "invoices e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "invoice",
        "credit_note",
        "e.created_at",
        "e.id",
        "jsonb_build_object('number', e.number, 'total', e.total, 'currency', e.currency, 'invoice', e.invoice_id)",
        "credit_notes e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "payment",
        "attempt",
        "e.created_at",
        "e.id",
        "jsonb_build_object('status', e.status, 'amount', e.amount, 'currency', e.currency, 'invoice', e.invoice_id,"
        " 'failure', e.failure_message)",
        "invoice_payment_attempts e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "payment",
        "refund",
        "e.created_at",
        "e.id",
        "jsonb_build_object('status', e.status, 'amount', e.amount, 'currency', e.currency, 'invoice', e.invoice_id)",
        "refunds e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "stripe",
        "event",
        "e.received_at",
        "e.id",
        "jsonb_build_object('type', e.type, 'state', e.state, 'attempts', e.attempts)",
        "stripe_events e WHERE e.customer_id = :customer_id",
    ),
    Source(
        "sync",
        "run",
        "e.requested_at",
        "e.id::text",
        "jsonb_build_object('state', e.state, 'by', e.started_by, 'sent', e.sent, 'rejected', e.rejected)",
        "sync_runs e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "sync",
        "batches",
        _end_of_day("batches"),
        "e.day::text",
        "jsonb_build_object('day', e.day, 'batches', e.events, 'sent', e.sent, 'is_cut', e.is_cut)",
        _SENT_DAYS,
    ),
    Source(
        "meter",
        "refused",
        "e.claimed_at",
        "e.id::text",
        "jsonb_build_object('usage_type', e.usage_type, 'value', e.value, 'error', e.error, 'bucket', e.bucket_start)",
        "meter_events e WHERE e.tenant_id = :tenant_id AND e.state = 'rejected'",
    ),
    Source(
        "usage",
        "late",
        _end_of_day("late"),
        "e.day::text",
        "jsonb_build_object('day', e.day, 'events', e.events, 'is_cut', e.is_cut)",
        _LATE_DAYS,
    ),
    Source(
        "usage",
        "corrected",
        _end_of_day("corrected"),
        "e.day::text",
        "jsonb_build_object('day', e.day, 'events', e.events, 'is_cut', e.is_cut)",
        _CORRECTED_DAYS,
    ),
    Source(
        "usage",
        "import",
        "e.started_at",
        "e.id::text",
        "jsonb_build_object('file', e.file_name, 'state', e.state, 'new', e.new_events, 'refused', e.refused,"
        " 'by', e.started_by)",
        "usage_imports e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "limit",
        "threshold",
        "e.created_at",
        "e.id::text",
        "e.body::jsonb -> 'data'",
        _MESSAGES.format("usage.threshold_reached"),
    ),
    Source(
        "limit",
        "cap",
        "e.set_at",
        "e.usage_type",
        "jsonb_build_object('quantity', e.quantity, 'by', e.set_by)",
        "usage_caps e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "limit",
        "budget",
        "e.set_at",
        "'budget'",
        "jsonb_build_object('amount', e.amount, 'currency', e.currency, 'by', e.set_by)",
        "usage_budgets e WHERE e.tenant_id = :tenant_id",
    ),
    Source(
        "delivery",
        "delivery",
        "e.created_at",
        "e.id::text",
        "jsonb_build_object('type', (SELECT m.event_type FROM webhook_messages m WHERE m.tenant_id = e.tenant_id"
        " AND m.id = e.message_id), 'attempts', e.attempts, 'endpoint', e.endpoint_id)",
        "webhook_deliveries e WHERE e.tenant_id = :tenant_id AND e.state = 'failed'",
    ),
    Source(
        "audit",
        "act",
        "e.acted_at",
        "e.id::text",
        "jsonb_build_object('actor', e.actor, 'kind', e.actor_kind, 'action', e.action, 'subject', e.subject)",
        "audit_entries e WHERE e.tenant_id = :tenant_id",
    ),
)
