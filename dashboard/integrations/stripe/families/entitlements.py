"""Entitlements: the features that a customer's subscriptions give it. A summary is its customer's and has no id."""

from __future__ import annotations

from dashboard.billing import billing_state, customers
from dashboard.integrations.stripe.subjects import IGNORED, PROCESSED, Context, Kind, Outcome, waits_for


def apply_entitlements(context: Context, customer_id: str, features: tuple[str, ...] | None) -> Outcome:
    """Keep what Stripe says now, whatever the event said when it was written."""
    if features is None:
        return IGNORED
    tenant = customers.hold_mirror(context.session, customer_id)
    if tenant is None:
        return waits_for(customer_id)
    billing_state.note_features(context.session, tenant.id, features, context.now)
    return PROCESSED


ENTITLEMENTS = Kind(
    "entitlements", 3, lambda provider, object_id: provider.fetch_entitlements(object_id), apply_entitlements
)
