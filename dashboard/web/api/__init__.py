"""The API of a tenant's services. A key belongs to one tenant; there is no way to name another."""

from dashboard.web.api import calls, request_counter, texts, usage_events, webhook_endpoints

BLUEPRINTS = (usage_events.blueprint, texts.blueprint, calls.blueprint, webhook_endpoints.blueprint)
__all__ = ["BLUEPRINTS", "request_counter"]
