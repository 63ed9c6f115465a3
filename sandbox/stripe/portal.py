"""The customer portal: what it offers, and its sessions."""

from __future__ import annotations

from typing import Any

from sandbox.errors import StripeFault
from sandbox.forms import Params
from sandbox.store import Thing, new_id
from sandbox.stripe.customers import present
from sandbox.stripe.routes import list_things, route
from sandbox.world import World

FLOWS = ("payment_method_update", "subscription_cancel")
CONFIGURATION = "billing_portal.configuration"


@route("POST", "/v1/billing_portal/configurations")
def create_configuration(world: World, params: Params) -> Thing:
    """What the portal is to offer."""
    features = params.need("features")
    profile = params.take("business_profile") or {}
    url, name, metadata = params.take("default_return_url"), params.take("name"), params.metadata()
    return _make(world, features, profile, default_return_url=url, name=name, metadata=metadata)


def _make(world: World, features: Thing, profile: Thing, **more: Any) -> Thing:
    now = world.clock.seconds()
    return world.create(
        {
            "id": new_id("bpc"),
            "object": CONFIGURATION,
            "active": True,
            "business_profile": {**_blank_profile(), **profile},
            "created": now,
            "features": _features(features),
            "is_default": False,
            "livemode": False,
            "login_page": {"enabled": False, "url": None},
            "metadata": {},
            "updated": now,
            **more,
        },
        "billing_portal.configuration.created",
    )


def _blank_profile() -> Thing:
    return dict.fromkeys(("headline", "privacy_policy_url", "terms_of_service_url"))


def _features(given: Thing) -> Thing:
    """Every feature; those that are not named are off."""

    def is_on(name: str) -> bool:
        return (given.get(name) or {}).get("enabled") == "true"

    cancel = given.get("subscription_cancel") or {}
    update = given.get("customer_update") or {}
    return {
        "customer_update": {
            "allowed_updates": update.get("allowed_updates") or [],
            "enabled": is_on("customer_update"),
        },
        "invoice_history": {"enabled": is_on("invoice_history")},
        "payment_method_update": {"enabled": is_on("payment_method_update"), "payment_method_configuration": None},
        "subscription_cancel": {
            "cancellation_reason": {"enabled": False, "options": []},
            "enabled": is_on("subscription_cancel"),
            "mode": cancel.get("mode", "at_period_end"),
            "proration_behavior": cancel.get("proration_behavior", "none"),
        },
        "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
        "subscription_update": {
            "billing_cycle_anchor": None,
            "default_allowed_updates": [],
            "enabled": False,
            "products": None,
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }


@route("POST", "/v1/billing_portal/configurations/{configuration}")
def update_configuration(world: World, params: Params, configuration: str) -> Thing:
    """Offer something else."""
    thing = world.need(CONFIGURATION, configuration)
    changes: dict[str, Any] = {"metadata": params.metadata(thing["metadata"]), "updated": world.clock.seconds()}
    if "features" in params.values:
        read, given = _features(params.take("features")), set(params.take("features"))
        changes["features"] = {**thing["features"], **{name: read[name] for name in given & set(read)}}
    for name in ("default_return_url", "name"):
        if name in params.values:
            changes[name] = params.take(name) or None
    if "active" in params.values:
        changes["active"] = params.flag("active")
    if "business_profile" in params.values:
        changes["business_profile"] = {**thing["business_profile"], **params.take("business_profile")}
    return world.change(thing, "billing_portal.configuration.updated", **changes)


@route("GET", "/v1/billing_portal/configurations/{configuration}")
def retrieve_configuration(world: World, params: Params, configuration: str) -> Thing:
    """A configuration."""
    return world.need(CONFIGURATION, configuration)


@route("GET", "/v1/billing_portal/configurations")
def index_configurations(world: World, params: Params) -> Thing:
    """Configurations."""
    url = "/v1/billing_portal/configurations"
    return list_things(world, params, CONFIGURATION, url, filters=("active", "is_default"))


@route("POST", "/v1/billing_portal/sessions")
def create(world: World, params: Params) -> Thing:
    """A session of the portal for one customer, or of one thing to do in it (`flow_data`)."""
    customer = present(world, params.need("customer"))
    wanted = params.take("configuration")
    configuration = world.need(CONFIGURATION, wanted) if wanted else default_configuration(world)
    flow = _flow(world, customer, params.take("flow_data"))
    session_id = new_id("bps")
    session = world.create(
        {
            "id": session_id,
            "object": "billing_portal.session",
            "configuration": configuration["id"],
            "created": world.clock.seconds(),
            "customer": customer["id"],
            "flow": flow,
            "livemode": False,
            "locale": params.take("locale"),
            "return_url": params.take("return_url") or configuration["default_return_url"],
            "url": f"{world.base}/p/session/{session_id}" + (f"/flow/{flow['type']}" if flow else ""),
        }
    )
    world.emit("billing_portal.session.created", session)
    return session


def default_configuration(world: World) -> Thing:
    """The account's default: everything the portal of this sandbox can do."""
    known = next((each for each in world.store.all(CONFIGURATION) if each["is_default"]), None)
    on = {"enabled": "true"}
    names = ("invoice_history", "payment_method_update", "subscription_cancel")
    return known or _make(world, dict.fromkeys(names, on), {}, is_default=True)


def _flow(world: World, customer: Thing, given: Any) -> Thing | None:
    if not given:
        return None
    kind = given.get("type")
    if kind not in FLOWS:
        raise StripeFault(f"This sandbox has the flows {', '.join(FLOWS)}.", param="flow_data[type]")
    after = given.get("after_completion") or {"type": "portal_homepage"}
    flow: Thing = {
        "after_completion": {"hosted_confirmation": None, "redirect": after.get("redirect"), "type": after["type"]},
        "customer_update": None,
        "subscription_cancel": None,
        "subscription_pause": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": kind,
    }
    if kind == "subscription_cancel":
        subscription = world.need("subscription", (given.get(kind) or {}).get("subscription", ""))
        if (
            subscription["customer"] != customer["id"]
            or subscription["cancel_at"]
            or subscription["cancel_at_period_end"]
        ):
            raise StripeFault("This subscription cannot be canceled by this customer.", param=f"flow_data[{kind}]")
        flow[kind] = {"retention": None, "subscription": subscription["id"]}
    return flow
