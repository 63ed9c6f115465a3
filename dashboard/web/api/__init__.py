"""The API of a tenant's services. A key belongs to one tenant; there is no way to name another."""

from dashboard.web.api import (
    calls,
    limits,
    reference,
    request_counter,
    reversals,
    syncs,
    texts,
    usage_events,
    usage_reports,
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
    reference.blueprint,
)
__all__ = ["BLUEPRINTS", "request_counter"]
