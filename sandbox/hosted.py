"""The pages Stripe hosts. Plain forms, no script, no inline style. Here: how they are shown, and Checkout."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import Flask, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from sandbox.card_form import blank_card, read_card
from sandbox.errors import StripeFault
from sandbox.store import Thing
from sandbox.stripe import checkout_completion
from sandbox.stripe.pricing import money, tiers_of
from sandbox.world import World

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"


def page(template: str, status: int = 200, **context: Any) -> Response:
    """A page that nothing foreign can be put into."""
    response = make_response(render_template(template, money=money, Decimal=Decimal, **context), status)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


def nothing_here() -> Response:
    """The page of an address that leads nowhere."""
    return page("closed.html", 404, session=None)


def register(app: Flask, world: World) -> None:
    """Answer /c/pay."""

    @app.get("/c/pay/<session_id>")
    def show_checkout(session_id: str) -> ResponseReturnValue:
        with world.store.lock:
            session = world.store.get("checkout.session", session_id)
            if session is None or session["status"] != "open":
                return page("closed.html", 404 if session is None else 200, session=session)
            card = blank_card(world, session["customer"], session["customer_email"])
            return page("checkout.html", **_context(world, session), problems={}, card=card)

    @app.post("/c/pay/<session_id>")
    def pay_checkout(session_id: str) -> ResponseReturnValue:
        with world.store.writing():
            session = world.store.get("checkout.session", session_id)
            if session is None or session["status"] != "open":
                return page("closed.html", 404 if session is None else 200, session=session)
            card, problems = read_card(request.form, with_country=_needs_country(session))
            if problems:
                context = _context(world, session)
                return page("checkout.html", 402, **context, problems=problems, card=request.form)
            return _try(world, session, card)

    @app.post("/c/pay/<session_id>/authenticate")
    def authenticate_checkout(session_id: str) -> ResponseReturnValue:
        with world.store.writing():
            session = world.store.get("checkout.session", session_id)
            entered = world.store.get("checkout_entry", session_id)
            if session is None or session["status"] != "open" or entered is None:
                return page("closed.html", 404 if session is None else 200, session=session)
            world.store.remove("checkout_entry", session_id)
            if request.form.get("result") == "complete":
                return _try(world, session, entered["card"], authenticated=True)
            problems = {"number": "Your bank could not authenticate you. Try again or use another card."}
            return page("checkout.html", 402, **_context(world, session), problems=problems, card=entered["form"])

    def _try(world: World, session: Thing, card: dict[str, Any], *, authenticated: bool = False) -> ResponseReturnValue:
        problems: dict[str, str] = {}
        try:
            checkout_completion.complete(world, session, card, authenticated=authenticated)
        except checkout_completion.MustAuthenticate:
            form = request.form.to_dict()
            world.store.put("checkout_entry", {"id": session["id"], "card": card, "form": form})
            return page(
                "authenticate.html", action=f"/c/pay/{session['id']}/authenticate", amount=session["amount_total"]
            )
        except checkout_completion.CardDeclined as refusal:
            problems["number"] = f"{refusal} Try another card."
        except checkout_completion.WrongEntry as wrong:
            problems[wrong.field] = wrong.message
        except StripeFault as refusal:
            problems["number"] = str(refusal)
        if problems:
            world.store.take_back()
            return page("checkout.html", 402, **_context(world, session), problems=problems, card=request.form)
        target = session["success_url"] or "/"
        return redirect(target.replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)


def _needs_country(session: Thing) -> bool:
    return bool(session["automatic_tax"]["enabled"]) or session["billing_address_collection"] == "required"


def _context(world: World, session: Thing) -> dict[str, Any]:
    plan = world.need("checkout_plan", session["id"])
    base = [item for item in plan["items"] if item["price"]["recurring"]["usage_type"] == "licensed"]
    metered = [
        {
            **item,
            "name": world.need("billing.meter", item["price"]["recurring"]["meter"])["display_name"],
            "tiers": tiers_of(world, item["price"]) if item["price"]["billing_scheme"] == "tiered" else [],
        }
        for item in plan["items"]
        if item["price"]["recurring"]["usage_type"] == "metered"
    ]
    name = world.need("product", base[0]["price"]["product"])["name"] if base else "Usage"
    return {
        "session": session,
        "name": name,
        "base": base,
        "metered": metered,
        "trial_days": plan["trial_days"],
        "asks_country": _needs_country(session),
        "asks_tax_id": bool((session["tax_id_collection"] or {}).get("enabled")),
    }
