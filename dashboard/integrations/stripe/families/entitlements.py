"""Entitlements: the features that a customer's subscriptions give it. A summary is its customer's and has no id."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.billing.mirror import billing_state
from dashboard.integrations.stripe.subjects import IGNORED, PROCESSED, Context, Kind, Outcome, fetch_each, waits_for


def apply_entitlements(context: Context, found: Mapping[str, tuple[str, ...] | None]) -> dict[str, Outcome]:
    """Keep what Stripe says now, whatever the events said when they were written."""
    outcomes: dict[str, Outcome] = {}
    told: dict[int, tuple[str, ...]] = {}
    for customer_id, features in found.items():
        tenant_id = context.mirror.tenant_of(customer_id)
        if features is None:
            outcomes[customer_id] = IGNORED
        elif tenant_id is None:
            outcomes[customer_id] = waits_for(customer_id)
        else:
            told[tenant_id], outcomes[customer_id] = features, PROCESSED
    billing_state.note_features(context.session, told, context.now)
    return outcomes


ENTITLEMENTS = Kind(
    "entitlements",
    3,
    fetch_each(lambda provider, object_id: provider.fetch_entitlements(object_id)),
    apply_entitlements,
)
