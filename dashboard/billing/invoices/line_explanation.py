"""A metered invoice line explained: the line, its days, a day's users, a user's actions. Every level adds up exactly.

A level of detail is read on its own and never kept: rows that come in meanwhile are in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.orm import Session, joinedload

from dashboard.billing.errors import NotFound
from dashboard.billing.invoices.invoice_lines import LineGroup, group_usage
from dashboard.billing.invoices.line_parts import (
    Part,
    Span,
    UserPart,
    parts_by_day,
    parts_by_user,
    reading_in_time,
    whole_part,
)
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.ledger.usage_types import USAGE_TYPES, UsageType
from dashboard.billing.reports.late_usage import Late
from dashboard.billing.reports.ranges import Range, Segment
from dashboard.billing.reports.usage_details import Position, UsageDetail, list_details
from dashboard.models import Invoice, InvoiceLine

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deduction:
    """Something taken off the line's amount, or a tax added to it: minor units, negative where it is taken off."""

    label: str
    amount: int


@dataclass(frozen=True, slots=True)
class Line:
    """One metered line: what Stripe billed, and the span of the ledger it stands for.

    `position` is that of its first tier on the invoice, and its name in a URL.
    """

    invoice: Invoice
    position: int
    kind: UsageType
    span: Span
    lines: list[InvoiceLine]

    @property
    def quantity(self) -> int:
        """Units that Stripe billed, over all tiers."""
        return sum(line.quantity or 0 for line in self.lines)

    @property
    def amount(self) -> int:
        """Minor units before discounts, over all tiers."""
        return sum(line.amount for line in self.lines)

    @property
    def deductions(self) -> list[Deduction]:
        """Discounts, granted credit and taxes on top, added up over the tiers. With the amount they are the net."""
        sums: dict[str, int] = {}
        for line in self.lines:
            for each in line.discounts:
                sums[_discount_label(each)] = sums.get(_discount_label(each), 0) - int(each["amount"])
            for each in line.pretax_credits:
                if each["type"] == "credit_balance_transaction":
                    sums["Granted credit"] = sums.get("Granted credit", 0) - int(each["amount"])
            for each in line.taxes:
                if each["behavior"] == "exclusive":
                    label = f"{each['name']} {each['percentage']}%" if each.get("name") else "Tax"
                    sums[label] = sums.get(label, 0) + int(each["amount"])
        return [Deduction(label, amount) for label, amount in sums.items() if amount]

    @property
    def net(self) -> int:
        """What the line comes to in the invoice's total."""
        return self.amount + sum(each.amount for each in self.deductions)

    def span_of(self, day: date) -> Span:
        """The part of the line's span that lies in this UTC day.

        Raises `NotFound` for a day outside of it.
        """
        if not self.span.start.date() <= day <= self.span.stop.date():
            raise NotFound(f"the line has no day {day}")
        start = datetime.combine(day, time.min, UTC)
        cut = Span(max(start, self.span.start), min(start + DAY, self.span.stop), self.span.final_at)
        if cut.start >= cut.stop:
            raise NotFound(f"the line has no day {day}")
        return cut


@dataclass(frozen=True, slots=True)
class DayPart:
    """One UTC day of a line."""

    day: date
    part: Part


@dataclass(frozen=True, slots=True)
class LineExplanation:
    """A line with its days. `in_time` is what the ledger held when the invoice became final, so what it should bill."""

    line: Line
    group: LineGroup
    days: list[DayPart]
    total: Part
    in_time: int

    @property
    def difference(self) -> int:
        """Units that Stripe billed beyond what the ledger held in time; negative where it billed less."""
        return self.line.quantity - self.in_time


@dataclass(frozen=True, slots=True)
class DayExplanation:
    """A day with its users, largest first; `others` is what those that are not listed have together."""

    line: Line
    day: date
    total: Part
    users: list[UserPart]
    others: Part | None
    other_users: int


@dataclass(frozen=True, slots=True)
class ActionPage:
    """Some of the single actions of a day, newest first, and where to go on. `total` is that of all of them."""

    line: Line
    day: date
    total: Part
    actions: list[UsageDetail]
    following: Position | None


def find_line(session: Session, tenant_id: int, invoice_id: str, position: int) -> Line:
    """The metered line at this position of this tenant's invoice: all tiers of the same type and period.

    Raises `NotFound`.
    """
    invoice = session.get(Invoice, (tenant_id, invoice_id), options=[joinedload(Invoice.lines)])
    lines = invoice.lines if invoice is not None else []
    first = next((line for line in lines if line.position == position), None)
    if invoice is None or first is None or first.usage_type not in USAGE_TYPES:
        raise NotFound(f"no metered line {position}")
    named = (first.usage_type, first.period_start, first.period_end)
    same = [line for line in lines if (line.usage_type, line.period_start, line.period_end) == named]
    span = Span(first.period_start, first.period_end, invoice.finalized_at)
    return Line(invoice, same[0].position, USAGE_TYPES[first.usage_type], span, same)


def explain_line(session: Session, line: Line) -> LineExplanation:
    """The line's days. Days without usage are left out."""
    tenant_id = line.invoice.tenant_id
    parts = parts_by_day(session, tenant_id, line.kind, line.span)
    days = [DayPart(day, parts[day]) for day in sorted(parts)]
    events, late_events = sum(each.events for each in parts.values()), sum(each.late_events for each in parts.values())
    if line.kind.is_level:
        latest = days[-1].part.actions if days else 0
        total = Part(latest, 0, 0, events, late_events)
        in_time = reading_in_time(session, tenant_id, line.kind, line.span) if late_events else latest
        late = Late(0, late_events)
    else:
        total = sum((each.part for each in days), Part())
        in_time = total.actions + total.corrections
        late = Late(total.late, late_events)
    group = group_usage(line.invoice, line.kind, line.lines, {line.kind.name: total.total}, {line.kind.name: late})
    return LineExplanation(line, group, days, total, in_time)


def explain_day(session: Session, line: Line, day: date, *, limit: int) -> DayExplanation:
    """The users of one day of a line.

    Raises `NotFound` for a day outside the line's period.
    """
    span = line.span_of(day)
    found = parts_by_user(session, line.invoice.tenant_id, line.kind, span, limit=limit)
    shown = sum((each.part for each in found.users), Part())
    others = found.total - shown if found.count > len(found.users) else None
    return DayExplanation(line, day, found.total, found.users, others, found.count - len(found.users))


def list_actions(
    session: Session, line: Line, day: date, filters: UsageFilters, *, after: Position | None, limit: int
) -> ActionPage:
    """The single actions of one day, of one user where the filters say so.

    Raises `NotFound` for a day outside the line's period.
    """
    span, tenant_id = line.span_of(day), line.invoice.tenant_id
    closed = (Segment(span.start, span.stop, span.final_at),) if span.final_at else ()
    actions, following = list_details(
        session,
        tenant_id,
        Range(span.start, span.stop, None, None, (), closed),
        line.kind.name,
        filters=filters,
        after=after,
        limit=limit,
    )
    total = whole_part(session, tenant_id, line.kind, span, filters)
    return ActionPage(line, day, total, actions, following)


def _discount_label(discount: dict[str, object]) -> str:
    name = str(discount.get("name") or "Discount")
    return f"{name} ({discount['percent_off']}% off)" if discount.get("percent_off") else name
