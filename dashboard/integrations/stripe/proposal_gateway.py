"""What an accepted billing proposal makes at Stripe: an invoice item, or a credit note of a finalized invoice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from stripe import StripeClient

from dashboard.billing.ports_proposals import ExtraAmount
from dashboard.integrations.stripe.client import domain_errors


class ProposalGateway:
    """The part of the billing provider that moves money beside the meters, by the official SDK.

    Stripe forgets an idempotency key after a day; what was made carries it in its metadata for longer.
    """

    def __init__(self, client: StripeClient) -> None:
        self._v1 = client.v1

    def create_invoice_item(self, extra: ExtraAmount, *, key: str) -> str:
        """Put an amount on the customer's next invoice."""
        with domain_errors():
            made = self._v1.invoice_items.list({"customer": extra.customer_id, "limit": 100})
            for item in made.auto_paging_iter():
                if _key_of(item) == key:
                    return str(item.id)
            item = self._v1.invoice_items.create(
                {
                    "customer": extra.customer_id,
                    "amount": extra.amount,
                    "currency": extra.currency,
                    "description": extra.description,
                    "period": {
                        "start": int(extra.period_start.timestamp()),
                        "end": int(extra.period_end.timestamp()),
                    },
                    "metadata": {"proposal": key},
                },
                {"idempotency_key": key},
            )
        return str(item.id)

    def create_credit_note(
        self, invoice_id: str, lines: Sequence[tuple[str, int]], *, description: str, key: str
    ) -> str:
        """Credit amounts of lines; their tax follows from the invoice."""
        wanted: dict[str, Any] = {
            "invoice": invoice_id,
            "lines": [
                {"type": "invoice_line_item", "invoice_line_item": line_id, "amount": amount}
                for line_id, amount in lines
            ],
        }
        with domain_errors():
            notes = self._v1.credit_notes.list({"invoice": invoice_id, "limit": 100})
            for note in notes.auto_paging_iter():
                if _key_of(note) == key:
                    return note.id
            preview = self._v1.credit_notes.preview(cast("Any", wanted))
            # What an invoice that is paid gets back is said in full; on an open one less is due.
            back = {"credit_amount": preview.post_payment_amount} if preview.post_payment_amount else {}
            note = self._v1.credit_notes.create(
                cast("Any", {**wanted, **back, "memo": description, "metadata": {"proposal": key}}),
                {"idempotency_key": key},
            )
        return note.id


def _key_of(made: Any) -> str | None:
    metadata = made.metadata
    return metadata.to_dict().get("proposal") if metadata else None
