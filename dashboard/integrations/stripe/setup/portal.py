"""The customer portal's configuration: what tenants may do on Stripe's own pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from stripe import StripeClient

from dashboard.integrations.stripe.setup.steps import MANAGED, Action, Step, changed, differences, is_managed

if TYPE_CHECKING:
    from stripe.billing_portal import Configuration
    from stripe.params.billing_portal import ConfigurationCreateParamsFeatures

# No change of plan: the portal cannot update a subscription of several items, and ours have one for each meter.
FEATURES: dict[str, dict[str, Any]] = {
    "customer_update": {"enabled": True, "allowed_updates": ["address", "email", "name", "phone", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True, "mode": "at_period_end", "proration_behavior": "none"},
    "subscription_update": {"enabled": False},
}


def find_configuration(client: StripeClient) -> Configuration | None:
    """The configuration that the set-up made, or None before it ran."""
    listed = client.v1.billing_portal.configurations.list({"active": True, "limit": 100})
    return next((each for each in listed.auto_paging_iter() if is_managed(each.metadata)), None)


def plan_portal(client: StripeClient) -> Step:
    """One step for the configuration."""
    configurations = client.v1.billing_portal.configurations
    features = cast("ConfigurationCreateParamsFeatures", FEATURES)
    there = find_configuration(client)
    if there is None:
        create = partial(configurations.create, {"features": features, "metadata": dict(MANAGED)})
        return Step(Action.CREATE, "portal", "configuration", ", ".join(_on()), create)
    told = there.features.to_dict()
    detail = differences(
        (f"{name}.{key}", _plain(told.get(name, {}).get(key)), _plain(value))
        for name, wanted in FEATURES.items()
        for key, value in wanted.items()
    )
    change = partial(configurations.update, there.id, {"features": cast("Any", FEATURES)})
    return changed("portal", "configuration", detail, change)


def _on() -> list[str]:
    return [name.replace("_", " ") for name, feature in FEATURES.items() if feature["enabled"]]


def _plain(value: object) -> object:
    """Stripe keeps lists in an order of its own."""
    return sorted(map(str, value)) if isinstance(value, list) else value
