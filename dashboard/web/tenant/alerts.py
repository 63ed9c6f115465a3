"""Budgets and alerts: when people are told, and what stops usage before it happens."""

from __future__ import annotations

from collections.abc import Mapping

from babel.numbers import get_currency_precision
from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from dashboard.billing.ledger.usage_types import SUMS, USAGE_TYPES
from dashboard.billing.limits.alert_limits import Limits, LimitsView, parse_limits, view_limits
from dashboard.billing.limits.alert_rules import BUDGET, Rule, set_rules
from dashboard.billing.limits.limits import set_budget, set_cap
from dashboard.web.audit import audit
from dashboard.web.tenant import BUYERS, blueprint, require_buyer
from dashboard.wiring import now, session


@blueprint.get("/settings/alerts")
def alerts() -> str:
    """What is set, beside where the tenant stands."""
    view = view_limits(session(), g.tenant, now())
    return _page(view, _fields(view.limits, view.currency))


@blueprint.post("/settings/alerts")
def update_alerts() -> ResponseReturnValue:
    """Set all of it. What would stop something at once is asked about first."""
    require_buyer()
    view = view_limits(session(), g.tenant, now())
    given = request.form.to_dict()
    wanted, errors = parse_limits(given)
    if wanted is None:
        return _page(view, given, errors=errors), 422
    newly = [each for each in view.stopped_by(wanted) if each not in view.stopped_by(view.limits)]
    if newly and given.get("confirmed") != "yes":
        return _page(view, given, would_stop=newly)
    _save(view, wanted)
    page = url_for("tenant.alerts", tenant_id=g.tenant.id)
    session().commit()
    flash("Saved.", "info")
    return redirect(page, 303)


def _save(view: LimitsView, wanted: Limits) -> None:
    tenant_id, by, moment = g.tenant.id, current_user.email[:200], now()
    differs = set_rules(session(), tenant_id, wanted.rules, set_by=by, now=moment)
    if differs:
        audit("alerts.changed", ", ".join(map(_label, differs)), _told(differs))
    for name in SUMS:
        before, after = view.limits.caps.get(name), wanted.caps.get(name)
        if before != after:
            set_cap(session(), tenant_id, name, after, set_by=by, now=moment)
            audit("cap.lifted" if after is None else "cap.set", _label(name), {"quantity": [before, after]})
    old, new = (view.limits.budget, view.limits.stops), (wanted.budget, wanted.stops)
    if old != new:
        set_budget(session(), tenant_id, wanted.budget, view.currency, stops=wanted.stops, set_by=by, now=moment)
        details = {"amount": [old[0], new[0]], "stops": [old[1], new[1]], "currency": view.currency}
        audit("budget.lifted" if wanted.budget is None else "budget.set", "Usage budget", details)


def _told(differs: Mapping[str, tuple[Rule, Rule]]) -> dict[str, list[list[int]]]:
    return {
        f"{_label(subject)}, {name}": [list(getattr(before, name)), list(getattr(after, name))]
        for subject, (before, after) in differs.items()
        for name in ("percents", "units")
        if getattr(before, name) != getattr(after, name)
    }


def _label(subject: str) -> str:
    return "Usage budget" if subject == BUDGET else USAGE_TYPES[subject].label


def _fields(limits: Limits, currency: str) -> dict[str, str]:
    """What stands in the page's fields: plain digits, whatever the locale, as they are read again."""
    fields = {f"{name}.cap": str(quantity) for name, quantity in limits.caps.items()}
    for subject, rule in limits.rules.items():
        fields[f"{subject}.percents"] = ", ".join(map(str, rule.percents))
        fields[f"{subject}.units"] = ", ".join(map(str, rule.units))
    if limits.budget is not None:
        places = get_currency_precision(currency.upper())
        whole, part = divmod(limits.budget, 10**places)
        fields["budget.amount"] = f"{whole}.{part:0{places}d}" if places else str(whole)
    fields["budget.stops"] = "yes" if limits.stops else ""
    return fields


def _page(
    view: LimitsView,
    fields: Mapping[str, str],
    *,
    errors: Mapping[str, str] | None = None,
    would_stop: list[str] | None = None,
) -> str:
    return render_template(
        "tenant/settings/alerts.html",
        view=view,
        fields=fields,
        errors=errors or {},
        would_stop=would_stop or [],
        stopped=view.stopped_by(view.limits),
        may_change=g.role in BUYERS,
    )
