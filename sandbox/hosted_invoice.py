"""The page of an invoice, where it can be paid, and the page where a bank's customer authenticates."""

from __future__ import annotations

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue

from sandbox.card_form import blank_card, read_card
from sandbox.hosted import nothing_here, page
from sandbox.store import Thing
from sandbox.stripe import authentication, cards, intents, lifecycle
from sandbox.world import World


def register(app: Flask, world: World) -> None:
    """Answer /i and /3ds."""

    @app.get("/i/<invoice_id>")
    @app.get("/i/<invoice_id>/pdf")
    def show_invoice(invoice_id: str) -> ResponseReturnValue:
        with world.store.lock:
            invoice = world.store.get("invoice", invoice_id)
            if invoice is None:
                return nothing_here()
            card = blank_card(world, invoice["customer"], invoice["customer_email"])
            return page("invoice.html", invoice=invoice, card=card, problems={})

    @app.post("/i/<invoice_id>")
    def pay_invoice(invoice_id: str) -> ResponseReturnValue:
        with world.store.writing():
            invoice = world.store.get("invoice", invoice_id)
            if invoice is None or invoice["status"] != "open":
                return nothing_here() if invoice is None else redirect(f"/i/{invoice_id}", 303)
            card, problems = read_card(request.form)
            if problems:
                return page("invoice.html", 402, invoice=invoice, card=request.form, problems=problems)
            method = cards.make_method(world, card["number"], card["exp_month"], card["exp_year"], email=card["email"])
            outcome = lifecycle.collect(world, invoice, method, counts=False)
            if isinstance(outcome, cards.Decline):
                problems["number"] = f"{outcome.message} Try another card."
                return page("invoice.html", 402, invoice=invoice, card=request.form, problems=problems)
            found = intents.payment_of(world, invoice)
            target = f"/3ds/{found[0]['id']}" if outcome == "action" and found else f"/i/{invoice_id}"
            return redirect(target, 303)

    @app.get("/3ds/<intent_id>")
    def ask(intent_id: str) -> ResponseReturnValue:
        with world.store.lock:
            intent = _waiting(world, intent_id)
            if intent is None:
                return nothing_here()
            return page("authenticate.html", action=f"/3ds/{intent_id}", amount=intent.get("amount"))

    @app.post("/3ds/<intent_id>")
    def answer(intent_id: str) -> ResponseReturnValue:
        with world.store.writing():
            intent = _waiting(world, intent_id)
            if intent is None:
                return nothing_here()
            authentication.answer(world, intent, success=request.form.get("result") == "complete")
            invoice = intents.invoice_of(world, intent)
            return redirect(f"/i/{invoice['id']}", 303) if invoice else page("authenticated.html")


def _waiting(world: World, intent_id: str) -> Thing | None:
    intent = world.store.get("payment_intent", intent_id) or world.store.get("setup_intent", intent_id)
    return intent if intent and intent["status"] == "requires_action" else None
