"""What the inbox asks of Stripe: its two event lists, meter error reports, and what a payment pays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from stripe import StripeClient

from dashboard.billing.ports.events import MeterErrorFacts, PriceFacts
from dashboard.integrations.stripe.client import domain_errors, if_there
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe.events import V1BillingMeterErrorReportTriggeredEvent

# The thin events that are handled here: version 2 lists by type, and by nothing that begins with a type.
THIN_TYPES = ("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")


class EventGateway:
    """The part of the billing provider that is about events, by the official SDK."""

    def __init__(self, client: StripeClient) -> None:
        self._v1 = client.v1
        self._v2 = client.v2

    def list_events(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """Every snapshot event created at or after, newest first."""
        with domain_errors():
            page = self._v1.events.list({"limit": 100, "created": {"gte": int(since.timestamp())}})
            for event in page.auto_paging_iter():
                yield json.loads(str(event))

    def list_thin_events(self, since: datetime) -> Iterator[Mapping[str, Any]]:
        """Every thin event of the handled types created at or after, without its data, as it is delivered."""
        with domain_errors():
            # Asked for by type and cut off here: they come newest first, and there are few.
            for event in self._v2.core.events.list({"limit": 100, "types": list(THIN_TYPES)}).auto_paging_iter():
                if datetime.fromisoformat(str(event.created)) < since:
                    return
                whole = json.loads(str(event))
                yield {key: value for key, value in whole.items() if key not in {"data", "changes"}}

    def find_invoice_of_payment(self, payment_intent_id: str) -> str | None:
        """A payment intent has no invoice of its own; the invoice payments know (since API 2025-03-31.basil)."""
        with domain_errors():
            found = self._v1.invoice_payments.list(
                {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}, "limit": 1}
            )
        return id_of(found.data[0].invoice) if found.data else None

    def find_payment_of_charge(self, charge_id: str) -> str | None:
        """Refunds and disputes may name only their charge."""
        charge = if_there(lambda: self._v1.charges.retrieve(charge_id))
        return id_of(charge.payment_intent) if charge else None

    def fetch_price(self, price_id: str) -> PriceFacts | None:
        """The price as it is now, or None when it was deleted."""
        price = if_there(lambda: self._v1.prices.retrieve(price_id))
        if price is None or getattr(price, "deleted", False):
            return None
        return PriceFacts(price.id, active=price.active)

    def fetch_meter_errors(self, event_id: str) -> MeterErrorFacts | None:
        """The report of a thin event: its data comes only with a fetch."""
        event = if_there(lambda: self._v2.core.events.retrieve(event_id))
        return meter_error_facts(cast("V1BillingMeterErrorReportTriggeredEvent", event)) if event else None


def meter_error_facts(event: V1BillingMeterErrorReportTriggeredEvent) -> MeterErrorFacts:
    """A meter error report with its samples; one without a meter has the same form and no related object."""
    data = event.data
    related = getattr(event, "related_object", None)
    return MeterErrorFacts(
        event_id=event.id,
        meter_id=related.id if related else None,
        summary=data.developer_message_summary,
        error_count=data.reason.error_count,
        errors=tuple(
            {
                "code": kind.code,
                "count": kind.error_count,
                "samples": [
                    {"message": each.error_message, "identifier": each.request.identifier}
                    for each in kind.sample_errors
                ],
            }
            for kind in data.reason.error_types
        ),
        window_start=datetime.fromisoformat(data.validation_start),
        window_end=datetime.fromisoformat(data.validation_end),
    )
