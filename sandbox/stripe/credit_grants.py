"""Credit grants: money given ahead, spent on the usage lines of invoices as they are finalized."""

from __future__ import annotations

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.customers import present
from sandbox.stripe.routes import list_things, route
from sandbox.world import World


@route("POST", "/v1/billing/credit_grants")
def create(world: World, params: Params) -> Thing:
    """A grant of money for metered prices."""
    customer = present(world, params.need("customer"))
    given = params.need("amount").get("monetary") or {}
    value = int(given.get("value", 0))
    if value <= 0 or not given.get("currency"):
        raise StripeFault("Give amount[monetary][value] above 0 and its currency.", param="amount")
    config = params.need("applicability_config")
    now, grant_id = world.clock.seconds(), new_id("credgr")
    world.store.put("grant_left", {"id": grant_id, "left": value})
    return world.create(
        {
            "id": grant_id,
            "object": "billing.credit_grant",
            "amount": {"monetary": {"currency": given["currency"], "value": value}, "type": "monetary"},
            "applicability_config": {"scope": {"price_type": config["scope"].get("price_type"), "prices": None}},
            "category": params.choice("category", ("paid", "promotional"), "paid"),
            "created": now,
            "customer": customer["id"],
            "effective_at": params.integer("effective_at", now),
            "expires_at": params.integer("expires_at"),
            "livemode": False,
            "metadata": params.metadata(),
            "name": params.take("name"),
            "priority": params.integer("priority", 50),
            "updated": now,
        },
        "billing.credit_grant.created",
    )


@route("GET", "/v1/billing/credit_grants/{grant}")
def retrieve(world: World, params: Params, grant: str) -> Thing:
    """A grant."""
    return world.need("billing.credit_grant", grant)


@route("GET", "/v1/billing/credit_grants")
def index(world: World, params: Params) -> Thing:
    """Grants."""
    return list_things(world, params, "billing.credit_grant", "/v1/billing/credit_grants", filters=("customer",))


@route("POST", "/v1/billing/credit_grants/{grant}/void")
def void(world: World, params: Params, grant: str) -> Thing:
    """Take back what is left of it."""
    thing = world.need("billing.credit_grant", grant)
    now = world.clock.seconds()
    return world.change(thing, "billing.credit_grant.updated", voided_at=now, updated=now)


@route("GET", "/v1/billing/credit_balance_summary")
def summarize(world: World, params: Params) -> Thing:
    """What a customer has left, by currency."""
    customer = present(world, params.need("customer"))
    params.need("filter")
    left: dict[str, int] = {}
    for grant in _usable(world, customer["id"]):
        currency = grant["amount"]["monetary"]["currency"]
        left[currency] = left.get(currency, 0) + world.need("grant_left", grant["id"])["left"]
    balances = []
    for currency, value in left.items():
        amount = {"monetary": {"currency": currency, "value": value}, "type": "monetary"}
        balances.append({"available_balance": amount, "ledger_balance": amount})
    return {
        "object": "billing.credit_balance_summary",
        "balances": balances,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
    }


def _usable(world: World, customer: str) -> list[Thing]:
    """Grants that may be spent now: the most urgent first, then those that expire first."""
    now = world.clock.seconds()
    found = [
        grant
        for grant in world.store.all("billing.credit_grant")
        if grant["customer"] == customer
        and grant["voided_at"] is None
        and grant["effective_at"] <= now
        and (grant["expires_at"] is None or grant["expires_at"] > now)
    ]
    return sorted(found, key=lambda grant: (grant["priority"], grant["expires_at"] or 2**40, grant["created"]))


def spend(world: World, invoice: Thing, lines: list[Thing]) -> None:
    """Take what the usage lines come to out of the customer's grants."""
    for grant in _usable(world, invoice["customer"]):
        state = world.need("grant_left", grant["id"])
        if grant["amount"]["monetary"]["currency"] != invoice["currency"] or not state["left"]:
            continue
        transaction = new_id("cbtxn")
        for line in lines:
            due = line["amount"] - sum(each["amount"] for each in line["pretax_credit_amounts"])
            amount = min(due, state["left"]) if _is_usage(world, line) else 0
            if amount > 0:
                entry = {"amount": amount, "credit_balance_transaction": transaction}
                entry["type"] = "credit_balance_transaction"
                line["pretax_credit_amounts"] = [*line["pretax_credit_amounts"], entry]
                state["left"] -= amount
        world.store.put("grant_left", state)


def _is_usage(world: World, line: Thing) -> bool:
    details = (line["pricing"] or {}).get("price_details")
    recurring = world.need("price", details["price"])["recurring"] if details else None
    return bool(recurring and recurring["usage_type"] == "metered")
