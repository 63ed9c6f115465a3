"""Entitlement features, and which product gives which."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from stripe import StripeClient

from dashboard.billing.plans.catalog import Catalog, PlanDefinition
from dashboard.integrations.stripe.setup.products import product_id_of
from dashboard.integrations.stripe.setup.steps import MANAGED, Action, Found, Step, changed, differences, is_managed
from dashboard.integrations.stripe.setup.stock import Stock


def plan_features(client: StripeClient, catalog: Catalog, stock: Stock, found: Found) -> Iterator[Step]:
    """A step for each feature, and for each one we made that the catalogue has no more."""
    features = client.v1.entitlements.features
    for key, name in catalog.features.items():
        there = stock.features.get(key)
        if there is None:
            yield Step(Action.CREATE, "feature", key, name, partial(_make, client, key, name, found))
            continue
        found.features[key] = there.id
        detail = differences([("active", there.active, True), ("name", there.name, name)])
        yield changed("feature", key, detail, partial(features.update, there.id, {"active": True, "name": name}))
    for key, there in stock.features.items():
        if key not in catalog.features and there.active and is_managed(there.metadata):
            archive = partial(features.update, there.id, {"active": False})
            yield Step(Action.ARCHIVE, "feature", key, "not in the catalogue", archive)


def _make(client: StripeClient, key: str, name: str, found: Found) -> None:
    made = client.v1.entitlements.features.create({"lookup_key": key, "name": name, "metadata": dict(MANAGED)})
    found.features[key] = made.id


def plan_links(client: StripeClient, catalog: Catalog, stock: Stock, found: Found) -> Iterator[Step]:
    """A step for each feature that a plan's product gives, or gives no more.

    A feature that somebody else made and attached is none of our business.
    """
    for plan in catalog.plans.values():
        yield from _links_of(client, catalog, plan, stock, found)


def _links_of(
    client: StripeClient, catalog: Catalog, plan: PlanDefinition, stock: Stock, found: Found
) -> Iterator[Step]:
    product = product_id_of(plan.key)
    attached = {link.entitlement_feature.lookup_key: link for link in stock.links.get(product, ())}
    for key in plan.features:
        name = f"{plan.key}: {key}"
        if key in attached:
            yield Step(Action.KEEP, "entitlement", name)
        else:
            yield Step(Action.CREATE, "entitlement", name, "", partial(_attach, client, product, key, found))
    for key, link in attached.items():
        is_ours = key in catalog.features or is_managed(link.entitlement_feature.metadata)
        if key not in plan.features and is_ours:
            detach = partial(client.v1.products.features.delete, product, link.id)
            yield Step(Action.ARCHIVE, "entitlement", f"{plan.key}: {key}", "not given any more", detach)


def _attach(client: StripeClient, product: str, key: str, found: Found) -> None:
    client.v1.products.features.create(product, {"entitlement_feature": found.features[key]})
