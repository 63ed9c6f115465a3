"""Prices that mean no plan of ours: who is subscribed at them, and saying what one means."""

from __future__ import annotations

from itertools import groupby

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard.billing.errors import InvalidInput
from dashboard.billing.plans import plan_mapping
from dashboard.billing.plans.catalog import INTERVALS
from dashboard.billing.plans.plans import PLANS, plan_name
from dashboard.billing.subscriptions.unknown_prices import list_unknown_prices
from dashboard.jobs.prices import settle_prices
from dashboard.web.audit import audit
from dashboard.web.staff import blueprint
from dashboard.wiring import now, session


@blueprint.get("/prices")
def prices() -> str:
    """Unknown prices with their subscriptions, and what staff said so far."""
    return _page()


@blueprint.post("/prices")
def map_price() -> ResponseReturnValue:
    """Say what a price means; its subscriptions get that plan at once."""
    form = {name: request.form.get(name, "").strip() for name in ("price_id", "plan", "interval")}
    try:
        plan_mapping.map_price(session(), **form, mapped_by=current_user.email, now=now())
    except InvalidInput as error:
        return _page(form=form, error=error), 422
    audit("price.mapped", form["price_id"], {"plan": form["plan"], "interval": form["interval"]})
    session().commit()
    settled = settle_prices()
    meaning = f"{plan_name(form['plan'])}, {form['interval']}"
    count = "1 subscription has" if settled == 1 else f"{settled} subscriptions have"
    flash(f"{form['price_id']} means {meaning} now. {count} that plan.", "ok")
    return redirect(url_for("staff.prices"), 303)


def _page(form: dict[str, str] | None = None, error: InvalidInput | None = None) -> str:
    unknown = list_unknown_prices(session())
    return render_template(
        "staff/prices/index.html",
        unknown=[(price_id, list(rows)) for price_id, rows in groupby(unknown, key=lambda row: row.price_id)],
        mappings=plan_mapping.list_mappings(session()),
        plans=PLANS,
        plan_name=plan_name,
        intervals=list(INTERVALS),
        form=form or {},
        error=error,
    )
