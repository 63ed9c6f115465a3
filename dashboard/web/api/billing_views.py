"""How plans, subscriptions, changes, invoices and payment methods look in JSON: `billing_shapes` names each shape."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from dashboard.billing.plans.plans import PLANS, free_plan
from dashboard.billing.ports.subscriptions import InvoicePreview
from dashboard.billing.subscriptions.payment_methods import PaymentMethod
from dashboard.billing.subscriptions.plan_changes import PlanChange
from dashboard.billing.subscriptions.plan_losses import Loss
from dashboard.billing.subscriptions.plan_matrix import PlanCard
from dashboard.billing.subscriptions.subscription_views import SubscriptionView
from dashboard.models import Invoice
from dashboard.web.api.billing_shapes import InvoiceOut, LineOut


def iso(value: Any) -> Any:
    """The same with every time written out: answers are kept as JSON under their key."""
    if isinstance(value, dict):
        return {key: iso(each) for key, each in value.items()}
    if isinstance(value, list):
        return [iso(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def plain(value: Decimal | None) -> str | None:
    """A decimal as text without an exponent."""
    return None if value is None else f"{value.normalize():f}"


def view_plan(card: PlanCard) -> dict[str, Any]:
    """`PlanOut`."""
    return {
        "key": card.key,
        "name": card.name,
        "is_current": card.is_current,
        "monthly_amount": card.monthly_amount,
        "yearly_amount": card.yearly_amount,
        "currency": card.currency,
        "trial_days": PLANS[card.key].trial_days,
        "allowances": [
            {
                "usage_type": each.usage_type.name,
                "included": each.included,
                "overage_rate": plain(each.overage_rate),
            }
            for each in card.allowances
        ],
    }


def view_subscription(found: SubscriptionView | None) -> dict[str, Any]:
    """`SubscriptionOut`."""
    names = ("id", "status", "interval", "current_period_start", "current_period_end", "renews_at", "cancel_at")
    view: dict[str, Any] = {name: getattr(found, name, None) for name in (*names, "trial_end", "waiting_until")}
    scheduled, due = None, None
    if found is not None and found.scheduled_at is not None:
        scheduled = {
            "plan": found.scheduled_plan,
            "interval": found.scheduled_interval,
            "effective_at": found.scheduled_at,
        }
    if found is not None and found.payment_due is not None:
        due = asdict(found.payment_due)
    plan = (found.plan_key or "other") if found is not None and found.is_live else free_plan().key
    more = {"scheduled_change": scheduled, "payment_due": due, "other_subscriptions": found.others if found else []}
    written: dict[str, Any] = iso({"plan": plan, **view, **more})
    return written


def view_change(change: PlanChange, losses: list[Loss]) -> dict[str, Any]:
    """`ChangeOut`."""
    written: dict[str, Any] = iso(
        {
            "from_plan": change.before.plan,
            "from_interval": change.before.interval,
            "plan": change.after.plan.key,
            "interval": change.after.interval,
            "takes_effect": change.takes_effect,
            "effective_at": change.effective_at,
            "proration_date": change.proration_date,
            "invoice": view_upcoming(change.invoice) if change.invoice else None,
            "losses": [
                {"usage_type": each.usage_type.name, "before": each.before, "after": each.after} for each in losses
            ],
            "outcome": change.outcome,
            "waiting_until": change.expires_at,
        }
    )
    return written


def view_upcoming(preview: InvoicePreview) -> dict[str, Any]:
    """`UpcomingOut`."""
    lines = [{name: value for name, value in asdict(line).items() if name != "price_id"} for line in preview.lines]
    written: dict[str, Any] = iso({**asdict(preview), "lines": lines})
    return written


def view_invoice(invoice: Invoice) -> dict[str, Any]:
    """`InvoiceOut`."""
    written: dict[str, Any] = iso({name: getattr(invoice, name) for name in InvoiceOut.model_fields})
    return written


def view_invoice_with_lines(invoice: Invoice) -> dict[str, Any]:
    """`InvoiceWithLinesOut`."""
    lines = [
        {name: getattr(line, name) for name in LineOut.model_fields if name != "unit_amount"}
        | {"unit_amount": plain(line.unit_amount_decimal)}
        for line in invoice.lines
    ]
    return {**view_invoice(invoice), "lines": iso(lines)}


def view_payment_method(method: PaymentMethod) -> dict[str, Any]:
    """`PaymentMethodOut`."""
    facts = method.facts
    return {
        "id": facts.id,
        "kind": facts.kind,
        "brand": facts.brand,
        "last4": facts.last4,
        "exp_month": facts.exp_month,
        "exp_year": facts.exp_year,
        "is_default": method.is_default,
    }
