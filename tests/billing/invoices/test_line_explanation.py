"""An invoice line explained: whatever happened, every level adds up to the one above it, and the line to its bill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate, count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from dashboard.billing.errors import NotFound
from dashboard.billing.invoices.invoices import sync_invoice
from dashboard.billing.invoices.line_explanation import Line, explain_day, explain_line, find_line, list_actions
from dashboard.billing.invoices.line_parts import Part
from dashboard.billing.ledger.usage_filters import UsageFilters
from dashboard.billing.plans.plans import store_price
from dashboard.billing.ports.invoices import CreditFacts, DiscountFacts, InvoiceLineFacts
from dashboard.models import CatalogPrice, Tenant
from tests.factories import NOON, make_period, make_tenant, record
from tests.invoice_facts import FINAL, invoice, tier

# A span that begins and ends inside hours and days, as Stripe's do.
START = NOON + timedelta(minutes=17)
STOP = START + timedelta(days=2, hours=7, minutes=41)
LATE = FINAL + timedelta(days=2)
_numbers = count(1)


@dataclass(frozen=True)
class Action:
    """Something that was done, when it was told (in time or late), and what a correction took back, and when."""

    user: str | None
    second: int
    quantity: int
    late: bool
    taken_back: float | None
    taken_back_late: bool


actions = st.builds(
    Action,
    st.sampled_from([None, "ada", "bob", "cyd"]),
    st.integers(0, int((STOP - START).total_seconds()) - 1),
    st.integers(0, 500),
    st.booleans(),
    st.one_of(st.none(), st.floats(0, 1)),
    st.booleans(),
)
rates = st.lists(st.tuples(st.integers(1, 400), st.decimals(0, 9, places=3)), max_size=2)


def tell(session: Session, tenant: Tenant, each: Action, usage_type: str = "SMS_SENT") -> int:
    """Record an action with its correction; the units that were known when the invoice became final."""
    at = START + timedelta(seconds=each.second)
    told = LATE if each.late else at
    more = {"usage_type": usage_type, "user_id": each.user} if each.user else {"usage_type": usage_type}
    made = record(session, tenant, now=told, quantity=each.quantity, occurred_at=at.isoformat(), **more)
    known = 0 if each.late else each.quantity
    if each.taken_back is not None:
        back, is_late = -int(each.quantity * each.taken_back), each.late or each.taken_back_late
        told = LATE if is_late else at
        record(session, tenant, now=told, quantity=back, corrects_id=made.id, **more)
        known += 0 if is_late else back
    return known


def bill(quantity: int, tiers: list[tuple[int, Decimal]], percent: int) -> tuple[InvoiceLineFacts, ...]:
    """The lines Stripe makes of a quantity: one for each tier that was reached, with its share of a discount."""
    lines, reached = [], 0
    tops: list[int | None] = [*accumulate(width for width, _ in tiers), None]
    steps = zip(tops, [*(rate for _, rate in tiers), Decimal("0.7")], strict=True)
    for number, (top, rate) in enumerate(steps, 1):
        units = (quantity if top is None else min(quantity, top)) - reached
        if units > 0 or number == 1:
            cents = int((units * rate).quantize(Decimal(1), ROUND_HALF_UP))
            off = cents * percent // 100
            taken = (DiscountFacts(off, "di_1", "SUMMER", "Summer", str(percent)),) if percent else ()
            span = {"period_start": START, "period_end": STOP, "unit_amount_decimal": rate, "discounts": taken}
            lines.append(tier(number, units, "0", cents, **span))
            reached += units
    return tuple(lines)


def make_customer(session: Session) -> Tenant:
    """A tenant whose texts have a price, in a period that the line's days are."""
    tenant = make_tenant(session, customer=f"cus_{next(_numbers)}", now=START - timedelta(days=1))
    for usage_type in ("SMS_SENT", "STORAGE_USED_MB"):
        store_price(
            session,
            CatalogPrice(
                price_id=f"price_{usage_type}",
                product_id="prod_1",
                plan="starter",
                interval="monthly",
                usage_type=usage_type,
                currency="usd",
                active=True,
            ),
        )
    make_period(session, tenant, START, STOP)
    return tenant


def issue(session: Session, tenant: Tenant, *lines: InvoiceLineFacts, usage_type: str = "SMS_SENT") -> str:
    """Take in a paid invoice of these lines; its id."""
    id_ = f"in_{next(_numbers)}"
    facts = invoice(
        id=id_,
        customer_id=tenant.stripe_customer_id,
        lines=tuple(replace(line, price_id=f"price_{usage_type}") for line in lines),
    )
    assert sync_invoice(session, facts, FINAL)
    return id_


def all_actions(session: Session, line: Line, day: date, filters: UsageFilters) -> list[int]:
    """The quantities of every action, page after page."""
    found: list[int] = []
    after = None
    while True:
        page = list_actions(session, line, day, filters, after=after, limit=3)
        found += [each.quantity for each in page.actions]
        after = page.following
        if after is None:
            return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(actions, min_size=1, max_size=12), rates, st.sampled_from([0, 5, 33]), st.sampled_from([0, 0, 3, -2]))
def test_every_level_adds_up_to_the_one_above(
    session: Session, done: list[Action], tiers: list[tuple[int, Decimal]], percent: int, beyond: int
) -> None:
    tenant = make_customer(session)
    known = sum(tell(session, tenant, each) for each in done)
    billed = max(0, known + beyond)
    invoice_id = issue(session, tenant, *bill(billed, tiers, percent))
    line = find_line(session, tenant.id, invoice_id, 0)
    explained = explain_line(session, line)
    # The line: what Stripe billed is what was known in time, or the page says by how much it is not.
    assert (explained.in_time, line.quantity, explained.difference) == (known, billed, billed - known)
    assert explained.total.total == explained.in_time + explained.total.late
    assert explained.group.ledger_quantity == explained.total.total
    assert line.amount == sum(each.amount for each in explained.group.tiers)
    assert line.quantity == sum(each.quantity for each in explained.group.tiers)
    assert line.net == line.amount - sum(each.amount * percent // 100 for each in line.lines)
    # Its days, their users, and the users' actions.
    assert sum((each.part for each in explained.days), Part()) == explained.total
    for each in explained.days:
        everyone = explain_day(session, line, each.day, limit=100)
        assert everyone.total == each.part
        assert sum((user.part for user in everyone.users), Part()) == each.part
        for user in everyone.users:
            filters = UsageFilters(user_id=user.user_id, without_user=user.user_id is None)
            quantities = all_actions(session, line, each.day, filters)
            assert (sum(quantities), len(quantities)) == (user.part.total, user.part.events)
        few = explain_day(session, line, each.day, limit=1)
        assert few.users[0].part + (few.others or Part()) == each.part
        assert len(few.users) + few.other_users == len(everyone.users)


def test_the_last_reading_in_time_is_what_a_level_bills(session: Session) -> None:
    tenant = make_customer(session)
    for hour, quantity in ((1, 700), (30, 900)):
        tell(session, tenant, Action(None, hour * 3_600, quantity, False, None, False), "STORAGE_USED_MB")
    reading = tier(1, 900, "0", 0, period_start=START, period_end=STOP)
    line = find_line(session, tenant.id, issue(session, tenant, reading, usage_type="STORAGE_USED_MB"), 0)
    explained = explain_line(session, line)
    assert [each.part.actions for each in explained.days] == [700, 900]
    assert (explained.in_time, explained.difference) == (900, 0)
    tell(session, tenant, Action(None, 40 * 3_600, 1_200, True, None, False), "STORAGE_USED_MB")
    explained = explain_line(session, find_line(session, tenant.id, line.invoice.id, 0))
    assert (explained.total.total, explained.in_time, explained.difference) == (1_200, 900, 0)
    assert explained.group.verdict == "late"


def test_granted_credit_and_discounts_are_rows_of_their_own(session: Session) -> None:
    tenant = make_customer(session)
    credit = (CreditFacts(20, "credit_balance_transaction", "cbtxn_1"), CreditFacts(5, "discount", "di_1"))
    off = (DiscountFacts(5, "di_1", "SUMMER", "Summer", "5"),)
    (billed,) = bill(100, [], 0)
    invoice_id = issue(session, tenant, replace(billed, discounts=off, pretax_credits=credit))
    line = find_line(session, tenant.id, invoice_id, 0)
    assert [(each.label, each.amount) for each in line.deductions] == [("Summer (5% off)", -5), ("Granted credit", -20)]
    assert line.net == 70 - 25


def test_only_this_tenants_metered_lines_are_explained(session: Session) -> None:
    tenant, other = make_customer(session), make_customer(session)
    (billed,) = bill(10, [], 0)
    invoice_id = issue(session, tenant, billed)
    with pytest.raises(NotFound):
        find_line(session, other.id, invoice_id, 0)
    with pytest.raises(NotFound):
        find_line(session, tenant.id, invoice_id, 7)
    line = find_line(session, tenant.id, invoice_id, 0)
    with pytest.raises(NotFound):
        explain_day(session, line, (START - timedelta(days=1)).date(), limit=10)
