"""An invoice's lines as people read them: tiers of one usage type and period together, beside the ledger's figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard.billing.ledger.totals import totals_between
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.plans.plans import plan_name
from dashboard.billing.reports.late_usage import Late, late_in_segments
from dashboard.billing.reports.ranges import Segment
from dashboard.models import CatalogPrice, Invoice, InvoiceLine

_Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class TierLine:
    """One Stripe line: what one tier of a price cost. `tier` is None where Stripe did not number it."""

    description: str
    tier: int | None
    quantity: int
    unit_amount_decimal: Decimal | None
    amount: int

    @property
    def label(self) -> str:
        """What it is in a word or two. A tier's flat fee bills no units."""
        numbered = f"Tier {self.tier}" if self.tier else "Usage"
        if self.unit_amount_decimal == 0:
            return f"{numbered}, included"
        return f"{numbered}, flat fee" if self.quantity == 0 and self.amount else numbered


@dataclass(frozen=True, slots=True)
class LineGroup:
    """All lines of one usage type and period, or one other line.

    `ledger_quantity` is what our ledger holds for the same type and period now, `late` what of it was recorded after
    the invoice was final (no invoice bills it); both are None for a line that bills no usage. `position` is that of
    the first line on the invoice.
    """

    position: int
    label: str
    unit_label: str | None
    quantity: int
    amount: int
    period_start: datetime
    period_end: datetime
    proration: bool
    is_final: bool
    usage_type: UsageType | None
    ledger_quantity: int | None
    late: Late | None
    unit_amount_decimal: Decimal | None
    tiers: list[TierLine]

    @property
    def matches(self) -> bool | None:
        """Whether Stripe billed exactly what the ledger holds; None for lines that bill no usage."""
        return None if self.ledger_quantity is None else self.ledger_quantity == self.quantity

    @property
    def difference(self) -> int:
        """Units billed beyond what the ledger holds; negative where the ledger holds more."""
        return self.quantity - (self.ledger_quantity or 0)

    @property
    def verdict(self) -> str | None:
        """How the two compare: "equal", "open" (a draft is counted again), "late" (late usage is all there is between
        them), "differs"; None for lines that bill no usage.
        """
        if self.ledger_quantity is None or self.late is None:
            return None
        if self.matches:
            return "equal"
        if not self.is_final:
            return "open"
        # The last reading of a level counts, so late readings do not add up; that there are any explains it.
        is_level = self.usage_type is not None and self.usage_type.is_level
        explains = self.late.events > 0 if is_level else self.difference == -self.late.quantity
        return "late" if explains else "differs"


def group_lines(session: Session, invoice: Invoice, prices: Mapping[str | None, CatalogPrice]) -> list[LineGroup]:
    """The lines in the order they are read: what bills no usage first, then usage by type and period."""
    others = [_plain_line(invoice, line, prices) for line in invoice.lines if line.usage_type not in USAGE_TYPES]
    metered: dict[tuple[str, datetime, datetime], list[InvoiceLine]] = {}
    for line in invoice.lines:
        if line.usage_type in USAGE_TYPES:
            metered.setdefault((line.usage_type or "", line.period_start, line.period_end), []).append(line)
    ledger = {span: _ledger(session, invoice, span) for span in {(start, end) for _, start, end in metered}}
    return others + [
        group_usage(invoice, USAGE_TYPES[name], lines, *ledger[start, end])
        for (name, start, end), lines in metered.items()
    ]


def plan_of_lines(invoice: Invoice, prices: Mapping[str | None, CatalogPrice]) -> str | None:
    """The plan that an invoice bills, in a word; None where no line is of the catalogue."""
    return next((plan_name(prices[line.price_id].plan) for line in invoice.lines if line.price_id in prices), None)


def prices_of_lines(session: Session, invoice: Invoice) -> dict[str | None, CatalogPrice]:
    """The prices of the lines that are of the catalogue, by id."""
    wanted = {line.price_id for line in invoice.lines if line.price_id}
    return {row.price_id: row for row in session.scalars(select(CatalogPrice).where(CatalogPrice.price_id.in_(wanted)))}


def _ledger(session: Session, invoice: Invoice, span: _Span) -> tuple[dict[str, int], dict[str, Late]]:
    """What the ledger holds of a period by type, and what of it was recorded after the invoice was final."""
    totals = totals_between(session, invoice.tenant_id, list(USAGE_TYPES), *span)
    if invoice.finalized_at is None:
        return totals, {}
    late = late_in_segments(session, invoice.tenant_id, [Segment(*span, invoice.finalized_at)], list(USAGE_TYPES))
    return totals, late


def _plain_line(invoice: Invoice, line: InvoiceLine, prices: Mapping[str | None, CatalogPrice]) -> LineGroup:
    price = prices.get(line.price_id)
    label = line.description or "Charge"
    if price is not None and not line.proration and line.amount >= 0:
        label = f"{plan_name(price.plan)} plan, {price.interval}"
    return LineGroup(
        position=line.position,
        label=label,
        unit_label=None,
        quantity=line.quantity or 0,
        amount=line.amount,
        period_start=line.period_start,
        period_end=line.period_end,
        proration=line.proration,
        is_final=invoice.finalized_at is not None,
        usage_type=None,
        ledger_quantity=None,
        late=None,
        unit_amount_decimal=line.unit_amount_decimal,
        tiers=[],
    )


def group_usage(
    invoice: Invoice, kind: UsageType, lines: Sequence[InvoiceLine], totals: dict[str, int], late: dict[str, Late]
) -> LineGroup:
    """The lines of one usage type and period as one, beside what `totals` and `late` say of it."""
    return LineGroup(
        position=lines[0].position,
        label=kind.label,
        unit_label=kind.units_label,
        quantity=sum(line.quantity or 0 for line in lines),
        amount=sum(line.amount for line in lines),
        period_start=lines[0].period_start,
        period_end=lines[0].period_end,
        proration=any(line.proration for line in lines),
        is_final=invoice.finalized_at is not None,
        usage_type=kind,
        ledger_quantity=totals.get(kind.name, 0),
        late=late.get(kind.name, Late()),
        unit_amount_decimal=None,
        tiers=[
            TierLine(
                line.description or kind.label, line.tier, line.quantity or 0, line.unit_amount_decimal, line.amount
            )
            for line in lines
        ],
    )
