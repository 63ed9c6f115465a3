"""`expand`: objects where their ids stand."""

from __future__ import annotations

from typing import Any

from sandbox.store import Thing
from sandbox.world import World

# Fields whose name is not the kind of what they hold.
KINDS = {
    "charge": "charge",
    "default_payment_method": "payment_method",
    "latest_charge": "charge",
    "latest_invoice": "invoice",
    "pending_setup_intent": "setup_intent",
    "schedule": "subscription_schedule",
    "tax_rate": "tax_rate",
    "discounts": "discount",
    "configuration": "billing_portal.configuration",
}


def expanded(world: World, answer: Thing, wanted: list[str]) -> Thing:
    """The answer with each path expanded; a copy, the stored thing stays as it is."""
    for path in wanted:
        answer = _expand(world, answer, path.split("."))
    return answer


def _expand(world: World, thing: Any, path: list[str]) -> Any:
    if not path or thing is None or isinstance(thing, str):
        return thing
    if isinstance(thing, list):
        return [_expand(world, each, path) for each in thing]
    head, rest = path[0], path[1:]
    value = _on_request(world, thing, head)
    if value is None:
        value = thing.get(head)
        kind = KINDS.get(head, head)
        if isinstance(value, str):
            value = world.store.get(kind, value) or value
        elif isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            value = [world.store.get(kind, each) or each for each in value]
    return {**thing, head: _expand(world, value, rest)}


def _on_request(world: World, thing: Thing, field: str) -> Any:
    """Fields that Stripe sends only to those who ask."""
    match thing.get("object"), field:
        case "invoice", "payments":
            rows = world.store.by("invoice_payment", "invoice", thing["id"])
            return {"object": "list", "data": rows, "has_more": False, "url": "/v1/invoice_payments"}
        case "invoice", "confirmation_secret":
            rows = world.store.by("invoice_payment", "invoice", thing["id"])
            intent = world.store.get("payment_intent", rows[0]["payment"]["payment_intent"]) if rows else None
            return {"client_secret": intent["client_secret"], "type": "payment_intent"} if intent else None
        case "price", "tiers":
            return (world.store.get("price_tiers", thing["id"]) or {}).get("tiers")
        case "customer", "tax_ids":
            own = world.store.by("tax_id", "customer", thing["id"])
            return {"object": "list", "data": own, "has_more": False, "url": f"/v1/customers/{thing['id']}/tax_ids"}
        case "charge", "refunds":
            own = [each for each in world.store.all("refund") if each["charge"] == thing["id"]]
            return {"object": "list", "data": own, "has_more": False, "url": f"/v1/charges/{thing['id']}/refunds"}
    return None
