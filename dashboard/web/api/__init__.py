"""The API of a tenant's services. A key belongs to one tenant; there is no way to name another."""

from dashboard.web.api import (
    billing_invoices,
    billing_payment_methods,
    billing_subscription,
    calls,
    limits,
    reference,
    request_counter,
    reversals,
    syncs,
    texts,
    usage_events,
    usage_reports,
    usual_usage,
    webhook_endpoints,
)

BLUEPRINTS = (
    usage_events.blueprint,
    reversals.blueprint,
    syncs.blueprint,
    limits.blueprint,
    usage_reports.blueprint,
    texts.blueprint,
    calls.blueprint,
    webhook_endpoints.blueprint,
    billing_subscription.blueprint,
    billing_invoices.blueprint,
    billing_payment_methods.blueprint,
    reference.blueprint,
)
__all__ = ["BLUEPRINTS", "request_counter", "usual_usage"]
