"""Promotion codes that are entered here: looked up at Stripe, and refused in words where one cannot be used.

Checkout asks for them by itself where it sells; where it only keeps a card, and for the API, they are asked for before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from dashboard.billing.errors import InvalidInput
from dashboard.billing.fields import need_text
from dashboard.billing.plans.offers import Offer
from dashboard.billing.ports.subscriptions import PromotionFacts
from dashboard.billing.subscriptions.billing_desk import Desk
from dashboard.models import CatalogPrice, Subscription

FIELD = "promotion_code"


def find_promotion(desk: Desk, code: object, offer: Offer, customer_id: str) -> str | None:
    """The id of the promotion code with which this customer can buy the offer; None where no code is given.

    Raises `InvalidInput` (`promotion_code`) for one that is unknown, over or not for this purchase.
    """
    if code is None:
        return None
    known = desk.provider.find_promotions(need_text(code, FIELD).strip())
    found = usable(known, customer_id, desk.now)
    had = desk.session.scalar(select(func.count()).where(Subscription.tenant_id == desk.tenant_id))
    need_fit(found, offer, desk.session.get(CatalogPrice, offer.base_price_id), is_first=not had)
    return found.id


def need_fit(found: PromotionFacts, offer: Offer, base: CatalogPrice | None, *, is_first: bool) -> None:
    """Raises `InvalidInput` (`promotion_code`) where the code is not for this purchase, at the price of `base`."""
    if found.is_first_only and not is_first:
        raise InvalidInput(FIELD, "is for a first purchase only")
    if found.currency not in {None, offer.currency}:
        raise InvalidInput(FIELD, f"is for purchases in {(found.currency or '').upper()} only")
    if found.product_ids is not None and (base is None or base.product_id not in found.product_ids):
        raise InvalidInput(FIELD, f"is not for {offer.plan.name}")
    if found.minimum is not None and (base is None or (base.unit_amount or 0) < found.minimum):
        raise InvalidInput(FIELD, f"is for purchases of a larger amount than {offer.plan.name}, {offer.interval}")


def usable(known: Sequence[PromotionFacts], customer_id: str, now: datetime) -> PromotionFacts:
    """Of the codes of one name the one that this customer can use now: their own before one that is for everybody.

    Raises `InvalidInput` (`promotion_code`).
    """
    open_to = [each for each in known if each.customer_id in {None, customer_id}]
    if not open_to:
        raise InvalidInput(FIELD, "is unknown")
    running = [each for each in open_to if each.is_active and (each.expires_at is None or each.expires_at > now)]
    if not running:
        raise InvalidInput(FIELD, "can be used no more")
    return max(running, key=lambda each: each.customer_id is not None)
