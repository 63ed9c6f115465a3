"""One product for each plan: what Stripe's pages and invoices call it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

import stripe
from stripe import StripeClient

from dashboard.billing.plans.catalog import Catalog, PlanDefinition
from dashboard.billing.plans.plan_mapping import PRODUCT_PREFIX
from dashboard.integrations.stripe.setup.steps import MANAGED, Action, Step, changed, differences, is_managed
from dashboard.integrations.stripe.setup.stock import Stock
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe.params import ProductCreateParams, ProductUpdateParams


def product_id_of(plan: str) -> str:
    """The id of a plan's product, chosen by us: so it is found again whatever it is called."""
    return f"{PRODUCT_PREFIX}{plan}"


def plan_products(client: StripeClient, catalog: Catalog, stock: Stock) -> Iterator[Step]:
    """A step for the product of each plan."""
    for plan in catalog.plans.values():
        wanted = _params(catalog, plan)
        product_id = product_id_of(plan.key)
        there = stock.products.get(product_id)
        if there is None:
            create = partial(_create, client, product_id, wanted)
            yield Step(Action.CREATE, "product", product_id, _name(catalog, plan), create)
        else:
            change = partial(client.v1.products.update, product_id, wanted)
            yield changed("product", product_id, _differences(there, catalog, plan), change)


def _create(client: StripeClient, product_id: str, wanted: ProductUpdateParams) -> None:
    # An empty text clears a field of what is there; in what is new it is refused.
    given = {key: value for key, value in wanted.items() if value != ""}
    client.v1.products.create(cast("ProductCreateParams", {"id": product_id, **given}))


def archive_products(client: StripeClient, catalog: Catalog, stock: Stock) -> Iterator[Step]:
    """A step for each product we made whose plan is gone. Its subscriptions go on."""
    wanted = {product_id_of(key) for key in catalog.plans}
    for product_id, there in stock.products.items():
        if product_id not in wanted and there.active and is_managed(there.metadata):
            archive = partial(client.v1.products.update, product_id, {"active": False})
            yield Step(Action.ARCHIVE, "product", product_id, "no plan of the catalogue", archive)


def _name(catalog: Catalog, plan: PlanDefinition) -> str:
    return f"{catalog.brand} {plan.name}"


def _params(catalog: Catalog, plan: PlanDefinition) -> ProductUpdateParams:
    params: ProductUpdateParams = {
        "name": _name(catalog, plan),
        "description": plan.description,
        "active": True,
        # An empty list would be sent as nothing, and change nothing.
        "marketing_features": [{"name": each} for each in plan.highlights] or "",
        "metadata": {**MANAGED, "plan": plan.key},
    }
    if catalog.tax_code:
        params["tax_code"] = catalog.tax_code
    return params


def _differences(there: stripe.Product, catalog: Catalog, plan: PlanDefinition) -> str:
    wanted = {**MANAGED, "plan": plan.key}
    metadata = there.metadata.to_dict()
    pairs: list[tuple[str, object, object]] = [
        ("active", there.active, True),
        ("name", there.name, _name(catalog, plan)),
        ("description", there.description or "", plan.description),
        ("highlights", [each.name for each in there.marketing_features], list(plan.highlights)),
        *((f"metadata.{key}", metadata.get(key), value) for key, value in wanted.items()),
    ]
    if catalog.tax_code:
        pairs.append(("tax_code", id_of(there.tax_code), catalog.tax_code))
    return differences(pairs)
