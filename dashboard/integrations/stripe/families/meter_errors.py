"""Meter error reports: thin events about meter events that Stripe took and could not count."""

from __future__ import annotations

from dashboard.billing.metering.meter_errors import store_meter_errors
from dashboard.billing.ports.events import MeterErrorFacts
from dashboard.integrations.stripe.subjects import (
    IGNORED,
    PROCESSED,
    Context,
    Event,
    Kind,
    Outcome,
    Subject,
    apply_each,
    fetch_each,
)


def apply_report(context: Context, _: str, facts: MeterErrorFacts | None) -> Outcome:
    """Keep the report for staff."""
    if facts is None:
        return IGNORED
    store_meter_errors(context.session, facts, context.now)
    return PROCESSED


METER_ERRORS = Kind(
    "meter_errors",
    0,
    fetch_each(lambda provider, object_id: provider.fetch_meter_errors(object_id)),
    apply_each(apply_report),
)


def report(event: Event) -> Subject | None:
    """A thin event is fetched by its own id."""
    return Subject(METER_ERRORS.name, str(event["id"]))
