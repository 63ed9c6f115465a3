"""What an accepted billing proposal makes at Stripe: an invoice item, or a credit note of a finalized invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, cast

import stripe
from stripe import StripeClient

from dashboard.billing.ports.proposals import ExtraAmount
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
            # What an invoice that is paid gives back is said in full; on an open one less is due.
            is_paid = self._v1.invoices.retrieve(invoice_id).status == "paid"
            back = {"credit_amount": self._total_of(invoice_id, dict(lines))} if is_paid else {}
            note = self._v1.credit_notes.create(
                cast("Any", {**wanted, **back, "memo": description, "metadata": {"proposal": key}}),
                {"idempotency_key": key},
            )
        return note.id

    def _total_of(self, invoice_id: str, credited: Mapping[str, int]) -> int:
        """What amounts of lines come to with their share of discounts and of tax on top.

        In doubt: Stripe says that the parts must add up to the total, not how it rounds shares. A wrong sum is refused.
        """
        total = 0
        for line in self._v1.invoices.line_items.list(invoice_id, {"limit": 100}).auto_paging_iter():
            amount = credited.get(line.id, 0)
            if amount:
                added = sum(_share(tax.amount, amount, line) for tax in line.taxes or [] if _is_on_top(tax))
                off = sum(_share(each.amount, amount, line) for each in line.discount_amounts or [])
                total += amount + added - off
        return total


def _is_on_top(tax: stripe.InvoiceLineItem.Tax) -> bool:
    return tax.tax_behavior == "exclusive"


def _share(part: int, amount: int, line: stripe.InvoiceLineItem) -> int:
    return int((Decimal(part) * amount / line.amount).quantize(Decimal(1), ROUND_HALF_UP))


def _key_of(made: Any) -> str | None:
    metadata = made.metadata
    return metadata.to_dict().get("proposal") if metadata else None
