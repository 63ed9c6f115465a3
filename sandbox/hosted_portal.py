"""The portal's pages: cards, invoices, the end of a subscription and its taking back."""

from __future__ import annotations

from typing import Any

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue

from sandbox.card_form import blank_card, read_card
from sandbox.errors import StripeFault
from sandbox.hosted import nothing_here, page
from sandbox.store import Thing
from sandbox.stripe import customers, payment_methods, subscriptions
from sandbox.stripe.portal import CONFIGURATION
from sandbox.world import World

RUNNING = ("active", "past_due", "trialing", "unpaid", "paused")


def register(app: Flask, world: World) -> None:
    """Answer /p/session."""

    @app.get("/p/session/<session_id>")
    def show_portal(session_id: str) -> ResponseReturnValue:
        with world.store.lock:
            session = _open_session(world, session_id)
            return page("portal.html", **_context(world, session)) if session else nothing_here()

    @app.get("/p/session/<session_id>/flow/payment_method_update")
    @app.get("/p/session/<session_id>/card")
    def show_card(session_id: str) -> ResponseReturnValue:
        with world.store.lock:
            session = _open_session(world, session_id)
            if session is None:
                return nothing_here()
            card = blank_card(world, session["customer"])
            return page("portal_card.html", session=session, problems={}, card=card)

    @app.post("/p/session/<session_id>/card")
    def save_card(session_id: str) -> ResponseReturnValue:
        with world.store.writing():
            session = _open_session(world, session_id)
            if session is None:
                return nothing_here()
            card, problems = read_card(request.form)
            if not problems:
                try:
                    _change_card(world, session, card)
                except StripeFault as refusal:
                    world.store.take_back()
                    problems["number"] = f"{refusal} Try another card."
            if problems:
                return page("portal_card.html", 402, session=session, problems=problems, card=request.form)
            return redirect(_after(session), 303)

    @app.get("/p/session/<session_id>/flow/subscription_cancel")
    def show_cancel(session_id: str) -> ResponseReturnValue:
        with world.store.lock:
            session = _open_session(world, session_id)
            if session is None or not (session["flow"] or {}).get("subscription_cancel"):
                return nothing_here()
            wanted = session["flow"]["subscription_cancel"]["subscription"]
            context = _context(world, session)
            found = next((each for each in context["subscriptions"] if each["id"] == wanted), None)
            return page("portal_cancel.html", session=session, subscription=found) if found else nothing_here()

    @app.post("/p/session/<session_id>/<verb>/<subscription_id>")
    def change_subscription(session_id: str, verb: str, subscription_id: str) -> ResponseReturnValue:
        with world.store.writing():
            session = _open_session(world, session_id)
            subscription = world.store.get("subscription", subscription_id)
            if session is None or subscription is None or subscription["customer"] != session["customer"]:
                return nothing_here()
            if subscription["status"] in RUNNING and verb == "cancel":
                _cancel(world, session, subscription)
            elif subscription["status"] in RUNNING and verb == "renew":
                subscriptions.take_back_end(world, subscription)
            return redirect(_after(session) if verb == "cancel" else f"/p/session/{session_id}", 303)


def _open_session(world: World, session_id: str) -> Thing | None:
    session = world.store.get("billing_portal.session", session_id)
    customer = world.store.get("customer", session["customer"]) if session else None
    return session if customer and not customer.get("deleted") else None


def _after(session: Thing) -> str:
    """Where a flow leads when it is done; without one, back to the portal."""
    completion = (session["flow"] or {}).get("after_completion") or {}
    if completion.get("type") == "redirect":
        return str(completion["redirect"]["return_url"])
    return f"/p/session/{session['id']}"


def _change_card(world: World, session: Thing, card: dict[str, Any]) -> None:
    """The new card is the default from now on, for the subscriptions too."""
    customer = customers.present(world, session["customer"])
    method = payment_methods.save_card(world, customer, card)
    for subscription in world.store.by("subscription", "customer", customer["id"]):
        if subscription["default_payment_method"]:
            world.change(subscription, "customer.subscription.updated", default_payment_method=method["id"])


def _cancel(world: World, session: Thing, subscription: Thing) -> None:
    wanted = world.need(CONFIGURATION, session["configuration"])["features"]["subscription_cancel"]
    if not wanted["enabled"]:
        return
    if wanted["mode"] == "immediately":
        prorates = wanted["proration_behavior"] != "none"
        subscriptions.end_now(world, subscription, invoice_now=prorates, prorates=prorates)
    elif subscription["cancel_at"] is None:
        subscriptions.schedule_end(world, subscription)


def _context(world: World, session: Thing) -> dict[str, Any]:
    customer = customers.present(world, session["customer"])
    own = world.store.by("subscription", "customer", customer["id"])
    running = [each for each in own if each["status"] in RUNNING]
    charged = {each["default_payment_method"] for each in running}
    charged.add(customer["invoice_settings"]["default_payment_method"])
    return {
        "session": session,
        "customer": customer,
        "features": world.need(CONFIGURATION, session["configuration"])["features"],
        "charged": charged,
        "methods": world.store.by("payment_method", "customer", customer["id"]),
        "subscriptions": [
            {
                **each,
                "name": world.need("product", each["items"]["data"][0]["price"]["product"])["name"],
                "ends": max(item["current_period_end"] for item in each["items"]["data"]),
                "is_ending": each["cancel_at_period_end"] or each["cancel_at"] is not None,
            }
            for each in running
        ],
        "invoices": world.store.by("invoice", "customer", customer["id"])[::-1][:12],
    }
