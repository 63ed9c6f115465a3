"""Which Stripe event changes what here: the whole table, with the reason for each row.

No row applies what an event says. It names the object to fetch, which then overwrites our copy: so order, repeats and
losses cannot matter, and one fetch settles every event about that object that waits (docs/decisions/0003, 0028).
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.integrations.stripe.families.catalogue import PRICE
from dashboard.integrations.stripe.families.customers import CUSTOMER, customer_before
from dashboard.integrations.stripe.families.entitlements import ENTITLEMENTS
from dashboard.integrations.stripe.families.invoices import CHARGE, INVOICE, PAYMENT
from dashboard.integrations.stripe.families.meter_errors import METER_ERRORS, report
from dashboard.integrations.stripe.families.subscriptions import CHECKOUT, SUBSCRIPTION
from dashboard.integrations.stripe.subjects import Event, Find, Kind, Pointer, Subject, at, first, itself, nothing


@dataclass(frozen=True, slots=True)
class Row:
    """Events of one type, or of all types that begin with it where it ends in a dot; what is fetched, and why."""

    events: str
    find: Find
    why: str


TABLE: tuple[Row, ...] = (
    Row("customer.created", itself(CUSTOMER), "ties the customer to the tenant that it names"),
    Row("customer.updated", itself(CUSTOMER), "its tenant may have been named or changed by hand"),
    Row("customer.deleted", itself(CUSTOMER), "the tenant is let go and can buy anew"),
    Row(
        "customer.discount.",
        first(at(SUBSCRIPTION, "subscription"), at(CUSTOMER, "customer")),
        "has no id of its own to fetch; it hangs on its subscription, else on its customer",
    ),
    Row("customer.tax_id.", at(CUSTOMER, "customer"), "a part of its customer"),
    Row("customer.subscription.", itself(SUBSCRIPTION), "plan, status, periods and end of what a tenant pays for"),
    Row("invoice.upcoming", nothing, "has no id: there is no invoice yet, and nothing to keep"),
    Row("invoice.", itself(INVOICE), "amounts, status and lines; a deleted draft goes"),
    Row("invoice_payment.paid", at(INVOICE, "invoice"), "a payment changes what its invoice still asks for"),
    Row(
        "payment_method.",
        first(at(CUSTOMER, "customer"), customer_before),
        "its customer pays with it; once detached, only what it was before names the customer",
    ),
    Row("checkout.session.", itself(CHECKOUT), "made a subscription, or kept the card for one that is made now"),
    Row("price.", itself(PRICE), "a price archived or deleted at Stripe is not sold here any more"),
    Row("product.", nothing, "what a plan is called stands in our own catalogue; `flask stripe setup` compares"),
    Row("billing.meter.", nothing, "the set-up knows our meters; one that is gone shows in a meter error report"),
    Row("billing.alert.triggered", at(CUSTOMER, "customer"), "our own budgets decide; the tie is kept fresh"),
    Row("billing.credit_grant.", at(CUSTOMER, "customer"), "granted to a customer; what it pays is on the invoices"),
    Row("credit_note.", at(INVOICE, "invoice"), "takes from its invoice"),
    Row(
        "charge.refunded",
        first(at(PAYMENT, "payment_intent"), itself(CHARGE)),
        "the refunded payment leads to its invoice",
    ),
    Row(
        "refund.",
        first(at(PAYMENT, "payment_intent"), at(CHARGE, "charge")),
        "the refunded payment leads to its invoice; covers refunds that fail later too",
    ),
    Row(
        "charge.refund.",
        first(at(PAYMENT, "payment_intent"), at(CHARGE, "charge")),
        "the older name of what happens to a refund",
    ),
    Row(
        "charge.dispute.",
        first(at(PAYMENT, "payment_intent"), at(CHARGE, "charge")),
        "the disputed payment leads to its invoice",
    ),
    Row(
        "entitlements.active_entitlement_summary.updated",
        at(ENTITLEMENTS, "customer"),
        "a summary cannot be fetched by an id; its customer's entitlements can be listed",
    ),
    Row(
        "subscription_schedule.",
        first(at(SUBSCRIPTION, "subscription", "released_subscription"), at(CUSTOMER, "customer")),
        "plans what its subscription will be; one that is released or not begun names it elsewhere or not at all",
    ),
    Row("v1.billing.meter.error_report_triggered", report, "usage that Stripe took and could not bill"),
    Row("v1.billing.meter.no_meter_found", report, "usage sent to a meter that is not there"),
)

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (CUSTOMER, PRICE, METER_ERRORS, SUBSCRIPTION, CHECKOUT, INVOICE, ENTITLEMENTS)
}
POINTERS: dict[str, Pointer] = {pointer.name: pointer for pointer in (PAYMENT, CHARGE)}
_EXACT = {row.events: row for row in TABLE if not row.events.endswith(".")}
_BEGINNINGS = tuple(row for row in TABLE if row.events.endswith("."))


def row_of(event_type: str) -> Row | None:
    """The row of an event type; a type of its own comes before a beginning. None: it changes nothing here."""
    exact = _EXACT.get(event_type)
    if exact is not None:
        return exact
    return next((row for row in _BEGINNINGS if event_type.startswith(row.events)), None)


def subject_of(event: Event) -> Subject | None:
    """The object to fetch for an event, or None when it changes nothing here."""
    row = row_of(str(event["type"]))
    return row.find(event) if row else None
