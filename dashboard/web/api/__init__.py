"""The API of a tenant's services. A key belongs to one tenant; there is no way to name another."""

from dashboard.web.api import reference, reversals, syncs, texts, usage_events, usage_reports

BLUEPRINTS = (
    usage_events.blueprint,
    reversals.blueprint,
    syncs.blueprint,
    usage_reports.blueprint,
    texts.blueprint,
    reference.blueprint,
)
