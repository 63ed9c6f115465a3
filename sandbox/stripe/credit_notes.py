"""Credit notes: less is owed on an open invoice; on a paid one it is given back, credited or settled elsewhere."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe import lifecycle, payments
from sandbox.stripe.intents import payment_of
from sandbox.stripe.pricing import round_half_up
from sandbox.stripe.refunds import refund
from sandbox.stripe.routes import list_things, page_of, route
from sandbox.world import World

REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")
PARTS = ("refund_amount", "credit_amount", "out_of_band_amount")


@route("POST", "/v1/credit_notes")
def create(world: World, params: Params) -> Thing:
    """Issue a credit note for an invoice."""
    invoice = world.need("invoice", params.need("invoice"))
    note, parts = _read(world, invoice, params)
    kept = world.create(note, "credit_note.created")
    if note["pre_payment_amount"]:
        _lower_what_is_due(world, invoice, note["pre_payment_amount"])
    else:
        _give_back(world, invoice, kept, parts)
    return kept


@route("GET", "/v1/credit_notes/preview")
def preview(world: World, params: Params) -> Thing:
    """What a credit note would be."""
    invoice = world.need("invoice", params.need("invoice"))
    note, _ = _read(world, invoice, params)
    with world.only_looking():
        return world.create(note)


@route("GET", "/v1/credit_notes/{note}")
def retrieve(world: World, params: Params, note: str) -> Thing:
    """A credit note."""
    return world.need("credit_note", note)


@route("GET", "/v1/credit_notes/{note}/lines")
def index_lines(world: World, params: Params, note: str) -> Thing:
    """Its lines."""
    return page_of(world.need("credit_note", note)["lines"]["data"], params, f"/v1/credit_notes/{note}/lines")


@route("GET", "/v1/credit_notes")
def index(world: World, params: Params) -> Thing:
    """Credit notes."""
    return list_things(world, params, "credit_note", "/v1/credit_notes", filters=("invoice", "customer"))


@route("POST", "/v1/credit_notes/{note}/void")
def void(world: World, params: Params, note: str) -> Thing:
    """Take back a credit note of an invoice that is still open."""
    thing = world.need("credit_note", note)
    invoice = world.need("invoice", thing["invoice"])
    if thing["status"] == "void" or invoice["status"] != "open":
        raise StripeFault("Only an issued credit note of an open invoice can be voided.", param="id")
    world.change(thing, None, status="void", voided_at=world.clock.seconds())
    world.emit("credit_note.voided", thing)
    _lower_what_is_due(world, invoice, -thing["amount"])
    return thing


def _read(world: World, invoice: Thing, params: Params) -> tuple[Thing, dict[str, int]]:
    """The note a call asks for, and how a paid invoice's amount is split."""
    if invoice["status"] not in {"open", "paid"}:
        raise StripeFault(f"The invoice is {invoice['status']}: only open and paid ones are credited.", param="invoice")
    lines = [_line(world, invoice, given, n) for n, given in enumerate(params.take("lines") or [])]
    amount = params.integer("amount")
    if not lines:
        if amount is None:
            raise StripeFault("Give amount or lines.", param="amount", code="parameter_missing")
        lines = [_custom_line({"unit_amount": amount, "quantity": 1, "description": "Credit"})]
    subtotal = sum(line["amount"] for line in lines)
    off = sum(line["discount_amount"] for line in lines)
    taxes = [tax for line in lines for tax in line["taxes"]]
    added = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    total = subtotal - off + added
    if amount is not None and amount != total:
        raise StripeFault(f"amount ({amount}) differs from the lines' total ({total}).", param="amount")
    credited = sum(
        each["amount"] for each in world.store.by("credit_note", "invoice", invoice["id"]) if each["status"] == "issued"
    )
    if invoice["status"] == "open" and not 0 < total <= invoice["amount_remaining"]:
        raise StripeFault(f"At most {invoice['amount_remaining']} is still due.", param="amount")
    if invoice["status"] == "paid" and not 0 < total <= invoice["total"] - credited + _pre(invoice):
        raise StripeFault("The credit notes would exceed the invoice's total.", param="amount")
    parts = {name: params.integer(name, 0) or 0 for name in PARTS}
    if invoice["status"] == "paid" and sum(parts.values()) != total:
        message = f"The sum of {', '.join(PARTS)} must be {total} for an invoice that is paid."
        raise StripeFault(message, param="refund_amount")
    return _note(world, invoice, params, lines, total, parts), parts


def _pre(invoice: Thing) -> int:
    return int(invoice["pre_payment_credit_notes_amount"])


def _note(world: World, invoice: Thing, params: Params, lines: list[Thing], total: int, parts: dict[str, int]) -> Thing:
    note_id, is_open = new_id("cn"), invoice["status"] == "open"
    number = len(world.store.by("credit_note", "invoice", invoice["id"])) + 1
    subtotal = sum(line["amount"] for line in lines)
    taxes = [tax for line in lines for tax in line["taxes"]]
    off = [each for line in lines for each in line["discount_amounts"]]
    params.choice("email_type", ("credit_note", "none"))
    url = f"/v1/credit_notes/{note_id}/lines"
    return {
        "id": note_id,
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": world.clock.seconds(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "discount_amount": sum(each["amount"] for each in off),
        "discount_amounts": off,
        "effective_at": params.integer("effective_at", world.clock.seconds()),
        "invoice": invoice["id"],
        "lines": {"object": "list", "data": lines, "has_more": False, "total_count": len(lines), "url": url},
        "livemode": False,
        "memo": params.take("memo"),
        "metadata": params.metadata(),
        "number": f"{invoice['number']}-CN-{number:02d}",
        "out_of_band_amount": parts["out_of_band_amount"] or None,
        "pdf": f"{world.base}/i/{invoice['id']}/pdf",
        "post_payment_amount": 0 if is_open else total,
        "pre_payment_amount": total if is_open else 0,
        "pretax_credit_amounts": [],
        "reason": params.choice("reason", REASONS),
        "refunds": [],
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total - sum(tax["amount"] for tax in taxes),
        "total_taxes": taxes,
        "type": "pre_payment" if is_open else "post_payment",
    }


def _line(world: World, invoice: Thing, given: Thing, number: int) -> Thing:
    """A line of the note: a part of an invoice's line with its share of discounts and tax, or a line of its own."""
    if given.get("type") == "custom_line_item":
        return _custom_line(given)
    line = next((each for each in invoice["lines"]["data"] if each["id"] == given.get("invoice_line_item")), None)
    if line is None:
        raise StripeFault("No such line on this invoice.", param=f"lines[{number}][invoice_line_item]")
    amount = _amount_of(line, given)
    if not 0 < amount <= line["amount"]:
        raise StripeFault(f"A line of {line['amount']} cannot be credited by {amount}.", param=f"lines[{number}]")
    share = Decimal(amount) / line["amount"]
    off = [{**each, "amount": round_half_up(each["amount"] * share)} for each in line["discount_amounts"]]
    taxes = [
        {
            **each,
            "amount": round_half_up(each["amount"] * share),
            "taxable_amount": round_half_up((each["taxable_amount"] or 0) * share),
        }
        for each in line["taxes"]
    ]
    return _credit_line(amount, line["description"], line["id"], given.get("quantity"), off, taxes)


def _amount_of(line: Thing, given: Thing) -> int:
    if "amount" in given:
        return int(given["amount"])
    quantity = int(given.get("quantity") or line["quantity"])
    return round_half_up(Decimal(line["amount"]) * quantity / line["quantity"]) if line["quantity"] else 0


def _custom_line(given: Thing) -> Thing:
    quantity = int(given.get("quantity", 1))
    rate = Decimal(str(given.get("unit_amount_decimal", given.get("unit_amount", 0))))
    return _credit_line(round_half_up(rate * quantity), given.get("description"), None, quantity, [], [])


def _credit_line(
    amount: int, text: str | None, line_id: str | None, quantity: Any, off: list[Thing], taxes: list[Thing]
) -> Thing:
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": text,
        "discount_amount": sum(each["amount"] for each in off),
        "discount_amounts": off,
        "invoice_line_item": line_id,
        "livemode": False,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": int(quantity) if quantity else None,
        "tax_rates": [],
        "taxes": taxes,
        "type": "invoice_line_item" if line_id else "custom_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }


def _lower_what_is_due(world: World, invoice: Thing, amount: int) -> None:
    """An open invoice that is credited wholly is paid."""
    left = invoice["amount_remaining"] - amount
    credited = _pre(invoice) + amount
    due = invoice["amount_due"] - amount
    world.change(
        invoice, "invoice.updated", amount_due=due, amount_remaining=left, pre_payment_credit_notes_amount=credited
    )
    found = payment_of(world, invoice)
    if found and left:
        world.change(found[0], None, amount=left)
        world.change(found[1], None, amount_requested=left)
    if not left:
        payments.drop_payment(world, invoice, "void_invoice")
        payments.settle(world, invoice, counts=False)
        lifecycle.after_payment(world, invoice)


def _give_back(world: World, invoice: Thing, note: Thing, parts: dict[str, int]) -> None:
    """Money back to the card, or onto the customer's balance for the invoices to come."""
    credited = invoice["post_payment_credit_notes_amount"] + note["amount"]
    world.change(invoice, "invoice.updated", post_payment_credit_notes_amount=credited)
    found = payment_of(world, invoice)
    if parts["refund_amount"]:
        charge = world.store.get("charge", found[0]["latest_charge"] or "") if found else None
        if charge is None:
            raise StripeFault("The invoice has no payment to refund.", param="refund_amount")
        made = refund(world, charge, parts["refund_amount"], None, {})
        entry = {"amount_refunded": made["amount"], "refund": made["id"], "type": "refund"}
        world.change(note, None, refunds=[entry])
    if parts["credit_amount"]:
        customer = world.need("customer", invoice["customer"])
        world.change(customer, "customer.updated", balance=customer["balance"] - parts["credit_amount"])
        world.change(note, None, customer_balance_transaction=new_id("cbtxn"))
