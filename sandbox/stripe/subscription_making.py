"""A new subscription and its first invoice."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.errors import StripeFault
from sandbox.store import Thing, new_id
from sandbox.stripe import cards, discounts
from sandbox.stripe.invoice_lines import licensed_line
from sandbox.stripe.invoice_making import draft, finalize
from sandbox.stripe.items import checked, is_metered, list_of, make_item, need_price
from sandbox.stripe.lifecycle import collect, require_payment
from sandbox.stripe.payments import method_for
from sandbox.stripe.periods import period_end
from sandbox.stripe.prorations import share_of
from sandbox.world import World


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new subscription is to be, beside its items."""

    metadata: dict[str, str] = field(default_factory=dict)
    default_payment_method: str | None = None
    description: str | None = None
    trial_end: int | None = None
    anchor: int | None = None
    proration_behavior: str = "create_prorations"
    payment_behavior: str = "allow_incomplete"
    missing_payment_method: str = "create_invoice"
    automatic_tax: bool = False
    discounts: list[Thing] = field(default_factory=list)
    customer_is_there: bool = False


def begin(world: World, customer: Thing, wanted: list[Thing], terms: Terms) -> tuple[Thing, Thing | None]:
    """A new subscription and its first invoice (none where only usage is billed). The card is charged at once."""
    now, subscription_id = world.clock.seconds(), new_id("sub")
    anchor = terms.trial_end or terms.anchor or now
    items = []
    for given in wanted:
        price = need_price(world, given)
        stop = anchor if anchor > now else period_end(price, now, anchor)
        items.append(make_item(world, subscription_id, given, now, stop))
    currency = checked(items)[0]["price"]["currency"]
    redeemed = discounts.redeem(world, terms.discounts, customer["id"], subscription=subscription_id)
    charged = [item for item in items if not is_metered(item)]
    subscription = world.create(
        {
            **_shape(subscription_id, items),
            "automatic_tax": {"disabled_reason": None, "enabled": terms.automatic_tax, "liability": None},
            "billing_cycle_anchor": anchor,
            "created": now,
            "currency": currency,
            "customer": customer["id"],
            "default_payment_method": terms.default_payment_method,
            "description": terms.description,
            "discounts": redeemed,
            "metadata": terms.metadata,
            "start_date": now,
            "status": "trialing" if terms.trial_end else "incomplete" if charged else "active",
            "trial_end": terms.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": terms.missing_payment_method}},
            "trial_start": now if terms.trial_end else None,
        },
        "customer.subscription.created",
    )
    if customer["currency"] is None:
        world.change(customer, "customer.updated", currency=currency)
    return subscription, _first_invoice(world, subscription, charged, terms) if charged else None


def _shape(subscription_id: str, items: list[Thing]) -> Thing:
    return {
        "id": subscription_id,
        "object": "subscription",
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "default_tax_rates": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": list_of(subscription_id, items),
        "livemode": False,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
    }


def _first_invoice(world: World, subscription: Thing, charged: list[Thing], terms: Terms) -> Thing:
    now = world.clock.seconds()
    lines = [_first_line(world, subscription, item, terms) for item in charged]
    invoice = draft(world, subscription, "subscription_create", lines, (now, now))
    if not finalize(world, invoice):
        problem = invoice["last_finalization_error"]
        raise StripeFault(problem["message"], param="automatic_tax", code=problem["code"])
    if terms.payment_behavior == "default_incomplete" and invoice["amount_remaining"]:
        return invoice
    if invoice["amount_remaining"] and method_for(world, invoice) is None:
        raise cards.NO_CARD.fault(leaves_traces=False)
    outcome = collect(world, invoice, authenticated=terms.customer_is_there)
    if outcome != "paid" and terms.payment_behavior == "error_if_incomplete":
        require_payment(outcome)
    return invoice


def _first_line(world: World, subscription: Thing, item: Thing, terms: Terms) -> Thing:
    """The coming period's fee: nothing in trial, a part of it where a later anchor cuts the period short."""
    start, stop = item["current_period_start"], item["current_period_end"]
    line = licensed_line(world, item, start, stop, in_trial=subscription["status"] == "trialing")
    if terms.anchor and not terms.trial_end:
        whole = period_end(item["price"], stop, stop) - stop
        amount = share_of(line["amount"], stop - min(stop - start, whole), stop - whole, stop)
        amount = amount if terms.proration_behavior != "none" else 0
        line |= {"amount": amount, "subtotal": amount}
        line["parent"]["subscription_item_details"]["proration"] = True
    return line
