"""Which promotion code is meant, and why one cannot be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dashboard.billing.errors import InvalidInput
from dashboard.billing.plans.offers import Offer
from dashboard.billing.plans.plans import PLANS
from dashboard.billing.ports.subscriptions import PromotionFacts
from dashboard.billing.subscriptions.promotion_codes import need_fit, usable
from dashboard.models import CatalogPrice
from tests.factories import NOON

CODE = PromotionFacts("promo_1", True, None, None, False, None, None, None)
OFFER = Offer(PLANS["starter"], "yearly", "price_1", {}, "usd")
BASE = CatalogPrice(price_id="price_1", product_id="prod_starter", unit_amount=29_000)


def test_a_code_of_ones_own_comes_before_everybodys() -> None:
    own = replace(CODE, id="promo_2", customer_id="cus_1")
    assert usable([CODE, own], "cus_1", NOON) == own
    assert usable([CODE, own], "cus_2", NOON) == CODE


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ([], "is unknown"),
        ([replace(CODE, customer_id="cus_other")], "is unknown"),
        ([replace(CODE, is_active=False)], "can be used no more"),
        ([replace(CODE, expires_at=NOON)], "can be used no more"),
    ],
    ids=["none", "another's", "over", "expired"],
)
def test_a_code_that_cannot_be_used_is_refused(known: list[PromotionFacts], why: str) -> None:
    with pytest.raises(InvalidInput, match=f"promotion_code: {why}"):
        usable(known, "cus_1", NOON)
    assert usable([*known, replace(CODE, expires_at=NOON + timedelta(seconds=1))], "cus_1", NOON).id == "promo_1"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"is_first_only": True}, "is for a first purchase only"),
        ({"currency": "eur"}, "is for purchases in EUR only"),
        ({"product_ids": ("prod_other",)}, "is not for Starter"),
        ({"minimum": 29_001}, "is for purchases of a larger amount than Starter, yearly"),
    ],
)
def test_a_code_for_another_purchase_is_refused(rule: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match=f"promotion_code: {why}"):
        need_fit(replace(CODE, **rule), OFFER, BASE, is_first=False)


def test_a_code_for_this_purchase_is_taken() -> None:
    fits = replace(CODE, is_first_only=True, currency="usd", product_ids=("prod_starter",), minimum=29_000)
    need_fit(fits, OFFER, BASE, is_first=True)
