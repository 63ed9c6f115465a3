"""The pages Stripe hosts: checkout, portal, invoice. Plain forms, no script, no inline style."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask import Flask, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from sandbox.store import Thing
from sandbox.stripe import checkout, customers, subscriptions
from sandbox.stripe.invoice_lines import dollars
from sandbox.stripe.subscriptions import LIVE
from sandbox.world import World

POLICY = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"


def register(app: Flask, world: World) -> None:
    """Answer /c/pay, /p/session and /i."""

    def page(template: str, status: int = 200, **context: Any) -> Response:
        response = make_response(render_template(template, dollars=dollars, Decimal=Decimal, **context), status)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/c/pay/<session_id>")
    def show_checkout(session_id: str) -> ResponseReturnValue:
        with world.store.lock:
            session = world.store.get("checkout.session", session_id)
            if session is None or session["status"] != "open":
                return page("closed.html", 404 if session is None else 200, session=session)
            return page(
                "checkout.html", **_checkout_context(world, session), problems={}, card=_blank_card(world, session)
            )

    @app.post("/c/pay/<session_id>")
    def pay_checkout(session_id: str) -> ResponseReturnValue:
        with world.store.writing():
            session = world.store.get("checkout.session", session_id)
            if session is None or session["status"] != "open":
                return page("closed.html", 404 if session is None else 200, session=session)
            card, problems = _read_card()
            if not problems:
                try:
                    checkout.complete(world, session, card)
                except checkout.CardDeclined:
                    problems["number"] = "Your card was declined. Try another one."
            if problems:
                context = _checkout_context(world, session)
                return page("checkout.html", 402, **context, problems=problems, card=request.form)
            target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id)
        return redirect(target, 303)

    @app.get("/p/session/<session_id>")
    def show_portal(session_id: str) -> ResponseReturnValue:
        with world.store.lock:
            session = world.store.get("billing_portal.session", session_id)
            if session is None:
                return page("closed.html", 404, session=None)
            return page("portal.html", **_portal_context(world, session))

    @app.post("/p/session/<session_id>/cancel/<subscription_id>")
    def cancel_in_portal(session_id: str, subscription_id: str) -> ResponseReturnValue:
        with world.store.writing():
            session = world.store.get("billing_portal.session", session_id)
            subscription = world.store.get("subscription", subscription_id)
            if session is None or subscription is None or subscription["customer"] != session["customer"]:
                return page("closed.html", 404, session=None)
            if subscription["status"] in LIVE and subscription["cancel_at"] is None:
                subscriptions.schedule_end(world, subscription)
        return redirect(f"/p/session/{session_id}", 303)

    @app.get("/i/<invoice_id>")
    @app.get("/i/<invoice_id>/pdf")
    def show_invoice(invoice_id: str) -> ResponseReturnValue:
        with world.store.lock:
            invoice = world.store.get("invoice", invoice_id)
            if invoice is None:
                return page("closed.html", 404, session=None)
            return page("invoice.html", invoice=invoice)


def _checkout_context(world: World, session: Thing) -> dict[str, Any]:
    plan = world.need("checkout_plan", session["id"])
    base = [item for item in plan["items"] if item["price"]["recurring"]["usage_type"] == "licensed"]
    metered = [
        {"name": world.need("billing.meter", item["price"]["recurring"]["meter"])["display_name"], **item}
        for item in plan["items"]
        if item["price"]["recurring"]["usage_type"] == "metered"
    ]
    name = world.need("product", base[0]["price"]["product"])["name"] if base else "Usage"
    return {"session": session, "name": name, "base": base, "metered": metered}


def _blank_card(world: World, session: Thing) -> dict[str, str]:
    customer = world.store.get("customer", session["customer"] or "")
    email = (customer or {}).get("email") or session["customer_email"] or ""
    year = (world.clock.seconds() // 31_556_952 + 1970 + 3) % 100
    return {"email": email, "number": "4242 4242 4242 4242", "expiry": f"12/{year:02d}", "cvc": "123"}


def _read_card() -> tuple[dict[str, Any], dict[str, str]]:
    form, problems = request.form, {}
    number = form.get("number", "").replace(" ", "")
    if not number.isdigit() or not 14 <= len(number) <= 19:
        problems["number"] = "Enter a card number of 14 to 19 digits."
    month, _, year = form.get("expiry", "").partition("/")
    if not (month.strip().isdigit() and year.strip().isdigit() and 1 <= int(month) <= 12):
        problems["expiry"] = "Enter month and year, such as 12/29."
    if not form.get("cvc", "").isdigit():
        problems["cvc"] = "Enter the 3 or 4 digits."
    if "@" not in form.get("email", ""):
        problems["email"] = "Enter an email address."
    if problems:
        return {}, problems
    return {
        "number": number,
        "exp_month": int(month),
        "exp_year": 2000 + int(year) % 100,
        "email": form["email"],
    }, {}


def _portal_context(world: World, session: Thing) -> dict[str, Any]:
    customer = customers.present(world, session["customer"])
    return {
        "session": session,
        "customer": customer,
        "methods": [each for each in world.store.all("payment_method") if each["customer"] == customer["id"]],
        "subscriptions": [
            {
                **each,
                "name": world.need("product", each["items"]["data"][0]["price"]["product"])["name"],
                "ends": max(item["current_period_end"] for item in each["items"]["data"]),
            }
            for each in world.store.all("subscription")
            if each["customer"] == customer["id"] and each["status"] in LIVE
        ],
        "invoices": [each for each in world.store.all("invoice") if each["customer"] == customer["id"]][::-1][:12],
    }
