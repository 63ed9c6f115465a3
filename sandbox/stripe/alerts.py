"""Usage alerts: told once for each customer whose usage reaches a threshold."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.routes import list_things, route
from sandbox.world import World


@route("POST", "/v1/billing/alerts")
def create(world: World, params: Params) -> Thing:
    """A threshold of a meter, for one customer or for each."""
    params.choice("alert_type", ("usage_threshold",))
    given = params.need("usage_threshold")
    meter = world.need("billing.meter", given.get("meter", ""))
    if not str(given.get("gte", "")).isdigit():
        raise StripeFault("Invalid integer.", param="usage_threshold[gte]", code="parameter_invalid_integer")
    filters = [{"customer": each.get("customer"), "type": "customer"} for each in given.get("filters") or []]
    return world.create(
        {
            "id": new_id("alrt"),
            "object": "billing.alert",
            "alert_type": "usage_threshold",
            "livemode": False,
            "status": "active",
            "title": params.need("title"),
            "usage_threshold": {
                "filters": filters,
                "gte": int(given["gte"]),
                "meter": meter["id"],
                "recurrence": "one_time",
            },
        }
    )


@route("GET", "/v1/billing/alerts/{alert}")
def retrieve(world: World, params: Params, alert: str) -> Thing:
    """An alert."""
    return world.need("billing.alert", alert)


@route("GET", "/v1/billing/alerts")
def index(world: World, params: Params) -> Thing:
    """Alerts."""
    return list_things(world, params, "billing.alert", "/v1/billing/alerts")


@route("POST", "/v1/billing/alerts/{alert}/archive")
def archive(world: World, params: Params, alert: str) -> Thing:
    """It tells no more."""
    return world.change(world.need("billing.alert", alert), None, status="archived")


def count_use(world: World, meter: Thing, customer: str, value: int) -> None:
    """Add a meter event to what the alerts of its meter have seen.

    In doubt: usage is counted from the alert's creation on, over the ends of billing periods.
    """
    for alert in world.store.all("billing.alert"):
        wanted = alert["usage_threshold"]
        customers = {each["customer"] for each in wanted["filters"]}
        if alert["status"] != "active" or wanted["meter"] != meter["id"] or (customers and customer not in customers):
            continue
        key = f"{alert['id']} {customer}"
        seen = world.store.get("alert_state", key) or {"total": 0, "told": False}
        total = seen["total"] + value
        tells = total >= wanted["gte"] and not seen["told"]
        world.store.put("alert_state", {"total": total, "told": seen["told"] or tells}, key)
        if tells:
            triggered = {"object": "billing.alert_triggered", "alert": alert, "created": world.clock.seconds()}
            world.emit(
                "billing.alert.triggered", {**triggered, "customer": customer, "livemode": False, "value": total}
            )
