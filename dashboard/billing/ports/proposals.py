"""What an accepted billing proposal needs of a billing provider: an extra amount on an invoice, or money back.

All amounts are minor units, all times aware UTC. `key` is the provider's idempotency key, and is kept on what is made:
the same key again makes nothing and answers the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ExtraAmount:
    """An amount for a customer's next invoice; a negative one is taken off it."""

    customer_id: str
    amount: int
    currency: str
    description: str
    period_start: datetime
    period_end: datetime


class ProposalProvider(Protocol):
    """Raises `ProviderRefused` and `ProviderUnavailable`."""

    def create_invoice_item(self, extra: ExtraAmount, *, key: str) -> str:
        """Put an amount on the customer's next invoice. Answers the item's id."""

    def create_credit_note(
        self, invoice_id: str, lines: Sequence[tuple[str, int]], *, description: str, key: str
    ) -> str:
        """Credit (line id, amount before tax) of a finalized invoice: what is still due falls, else it goes to the
        customer's balance. Answers the credit note's id.
        """
