"""The API of a tenant's services. A key belongs to one tenant; there is no way to name another."""

from dashboard.web.api import calls, texts, usage_events

BLUEPRINTS = (usage_events.blueprint, texts.blueprint, calls.blueprint)
