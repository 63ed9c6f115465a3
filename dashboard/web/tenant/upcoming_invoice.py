"""The upcoming invoice as it stands now: our own figures at once, Stripe's preview beside them when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g, render_template

from dashboard.billing.costs.upcoming_invoice import UpcomingInvoice, find_upcoming
from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.periods.periods import list_periods
from dashboard.billing.plans.plans import usage_types_of_prices
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.billing.ports.subscriptions import InvoicePreview
from dashboard.web.tenant import blueprint
from dashboard.wiring import PATIENCE, now, session, wiring


@dataclass(frozen=True, slots=True)
class StripeSays:
    """Stripe's preview with the units and the minor units of each usage type in it, or why there is none."""

    preview: InvoicePreview | None = None
    usage: dict[str, tuple[int, int]] | None = None
    problem: str | None = None


@blueprint.get("/invoices/upcoming")
def upcoming_invoice() -> str:
    """From our own ledger: Stripe is not asked."""
    return _page(_find(), None)


@blueprint.get("/invoices/upcoming/stripe")
def upcoming_invoice_at_stripe() -> str:
    """The same with Stripe's preview, which is waited for shortly."""
    upcoming = _find()
    return _page(upcoming, _ask(upcoming.period.subscription_id) if upcoming else None)


def _find() -> UpcomingInvoice | None:
    current = next((each for each in list_periods(session(), g.tenant, now()) if each.is_current), None)
    return find_upcoming(session(), g.tenant, current, now()) if current else None


def _ask(subscription_id: str | None) -> StripeSays:
    try:
        preview = wiring().brisk_billing.preview_next(subscription_id or "")
    except ProviderUnavailable:
        return StripeSays(problem=f"Stripe did not answer within {PATIENCE} seconds. Our own figures do not need it.")
    except ProviderRefused as refusal:
        return StripeSays(problem=f"Stripe has no preview: {refusal}")
    if preview is None:
        return StripeSays(problem="Stripe has no invoice to come for this subscription.")
    types = usage_types_of_prices(session(), {line.price_id for line in preview.lines if line.price_id})
    usage: dict[str, tuple[int, int]] = {}
    for line in preview.lines:
        name = types.get(line.price_id or "")
        if name in USAGE_TYPES:
            quantity, amount = usage.get(name, (0, 0))
            usage[name] = quantity + (line.quantity or 0), amount + line.amount
    return StripeSays(preview, usage)


def _page(upcoming: UpcomingInvoice | None, stripe: StripeSays | None) -> str:
    return render_template("tenant/invoices/upcoming.html", upcoming=upcoming, stripe=stripe)
