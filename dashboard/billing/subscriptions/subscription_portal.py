"""Stripe's hosted portal, whole or for one thing to do in it."""

from __future__ import annotations

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.subscriptions.billing_desk import Desk, need_subscription
from dashboard.models import Tenant

FLOWS = ("payment_method_update", "subscription_cancel")


def open_portal(desk: Desk, flow: object, *, return_url: str) -> str:
    """The address of the portal; `flow` None opens the whole of it.

    Our own pages change plans: the portal cannot change a subscription of several items.
    Raises `InvalidInput` (`flow`), and `NotNow` for a tenant that never bought anything.
    """
    if flow is not None and flow not in FLOWS:
        raise InvalidInput("flow", f"must be one of {', '.join(FLOWS)}, or left out")
    customer_id = desk.session.get_one(Tenant, desk.tenant_id).stripe_customer_id
    if customer_id is None:
        raise NotNow("There is nothing to manage yet: choose a plan first.")
    subscription_id = None
    if flow == "subscription_cancel":
        live = need_subscription(desk)
        if live.facts.cancel_at is not None:
            raise NotNow("The subscription is about to end already.")
        subscription_id = live.id
    return desk.provider.open_portal(
        customer_id,
        return_url=return_url,
        flow=str(flow) if flow else None,
        subscription_id=subscription_id,
        key=desk.key_for("portal"),
    )
