"""Changing the plan or its interval: what a change is, when it takes effect, what it would cost, and doing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.plans.offers import Offer, find_offer, selling
from dashboard.billing.plans.plan_mapping import plan_of_items
from dashboard.billing.plans.plans import PLANS, usage_types_of_prices
from dashboard.billing.ports.subscriptions import InvoicePreview, ItemChange, LiveItem, LiveSubscription
from dashboard.billing.subscriptions.billing_desk import Desk, need_status, need_subscription, take_in

CHANGEABLE = ("active", "trialing")
# A preview holds for so long: who confirms later is shown a new one.
PREVIEW_HOLDS = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Choice:
    """A plan (None: one that is not ours) and its interval."""

    plan: str | None
    interval: str | None


@dataclass(frozen=True, slots=True)
class PlanChange:
    """A change as it would be, or was made.

    `takes_effect`: "now", or "period_end" (of the base fee: a yearly plan's year). `proration_date` is given for a
    change now, and goes back into the confirmation so that what was shown is what is charged. `invoice` is what is
    charged now, None where nothing is. `outcome` after the change: "changed", "scheduled", "kept" (a scheduled change
    was taken back), "unchanged", or "waiting" (for its payment, until `expires_at`).
    """

    before: Choice
    after: Offer
    takes_effect: str
    effective_at: datetime
    proration_date: datetime | None
    invoice: InvoicePreview | None
    outcome: str | None = None
    expires_at: datetime | None = None


def takes_effect_now(before: Choice, after: Choice, *, in_trial: bool) -> bool:
    """What counts as an upgrade, and so happens now; all else happens when the paid period ends.

    A higher plan is one, at any interval; so is the same plan paid for longer ahead. In a trial nothing was paid, so
    every change happens now. From a plan that is not ours everything counts as an upgrade.
    """
    if in_trial or before.plan not in PLANS:
        return True
    if after.plan != before.plan:
        ranks = list(PLANS)
        return ranks.index(after.plan or "") > ranks.index(before.plan or "")
    return (before.interval, after.interval) == ("monthly", "yearly")


def preview_change(desk: Desk, plan: object, interval: object) -> PlanChange:
    """What this change would cost and when it would take effect. Changes nothing.

    Raises `InvalidInput` (`plan`, `interval`), `NotNow`.
    """
    offer = find_offer(desk.session, plan, interval, desk.pins)
    with selling(offer):
        return _plan(desk, need_subscription(desk), offer, desk.now)


def change_plan(desk: Desk, plan: object, interval: object, proration_date: datetime | None = None) -> PlanChange:
    """Make the change: an upgrade now, a downgrade by a schedule. The present plan takes a scheduled change back.

    `proration_date` is that of the preview, None for one of now. The caller holds the tenant's billing, and has sent
    the tenant's usage to Stripe: what was used until then is billed at the old prices.

    Raises `InvalidInput` (`plan`, `interval`, `proration_date`), `NotNow`.
    """
    offer = find_offer(desk.session, plan, interval, desk.pins)
    with selling(offer):
        return _change(desk, offer, proration_date)


def _change(desk: Desk, offer: Offer, proration_date: datetime | None) -> PlanChange:
    live = need_subscription(desk)
    wanted = _plan(desk, live, offer, proration_date or desk.now, given=proration_date is not None)
    if live.facts.cancel_at is not None:
        raise NotNow("The subscription is about to end. Take the cancellation back first, then change the plan.")
    if wanted.before == Choice(offer.plan.key, offer.interval):
        return _keep(desk, live, wanted)
    if live.has_pending_update:
        raise NotNow("Another change waits for its payment. Pay its invoice, or wait until it lapses.")
    if wanted.takes_effect == "period_end":
        desk.provider.schedule_prices(live, _all_items(offer), wanted.effective_at, key=desk.key_for("schedule"))
        take_in(desk, desk.provider.read_subscription(live.id) or live)
        return _done(wanted, "scheduled")
    if live.schedule_id is not None:
        desk.provider.release_schedule(live.schedule_id, key=desk.key_for("release"))
    changed = desk.provider.change_items(
        live.id,
        items_to_change(desk, live, offer),
        wanted.proration_date or desk.now,
        prorates=live.status != "trialing",
        key=desk.key_for("change"),
    )
    take_in(desk, changed)
    if changed.has_pending_update:
        return _done(wanted, "waiting", changed.pending_expires_at)
    return _done(wanted, "changed")


def _keep(desk: Desk, live: LiveSubscription, wanted: PlanChange) -> PlanChange:
    if live.schedule_id is None:
        return _done(wanted, "unchanged")
    desk.provider.release_schedule(live.schedule_id, key=desk.key_for("release"))
    take_in(desk, desk.provider.read_subscription(live.id) or live)
    return _done(wanted, "kept")


def _plan(desk: Desk, live: LiveSubscription, offer: Offer, moment: datetime, *, given: bool = False) -> PlanChange:
    need_status(live, CHANGEABLE, "change the plan")
    before = choice_of(desk, live)
    after = Choice(offer.plan.key, offer.interval)
    if before == after:
        return PlanChange(before, offer, "now", desk.now, None, None)
    if not takes_effect_now(before, after, in_trial=live.status == "trialing"):
        return PlanChange(before, offer, "period_end", _base(live).period_end, None, None)
    at = _checked(desk, live, moment) if given else proration_date_of(live, moment)
    invoice = None
    if live.status != "trialing":
        invoice = desk.provider.preview_change(live.id, items_to_change(desk, live, offer), at)
    return PlanChange(before, offer, "now", desk.now, at, invoice)


def _done(wanted: PlanChange, outcome: str, expires_at: datetime | None = None) -> PlanChange:
    return PlanChange(
        before=wanted.before,
        after=wanted.after,
        takes_effect=wanted.takes_effect,
        effective_at=wanted.effective_at,
        proration_date=wanted.proration_date,
        invoice=wanted.invoice,
        outcome=outcome,
        expires_at=expires_at,
    )


def choice_of(desk: Desk, live: LiveSubscription) -> Choice:
    """The plan and interval that a subscription's prices mean."""
    bought = plan_of_items(desk.session, live.facts.items, desk.pins)
    return Choice(bought.plan, bought.interval) if bought else Choice(None, None)


def proration_date_of(live: LiveSubscription, now: datetime) -> datetime:
    """The moment a change of now is worked out for: the start of this hour, or of a period that began in it.

    The whole hour, because usage is reported to Stripe by the hour: what was used before it is at the old price, what
    was used since at the new one, in our totals as on the invoice (ADR 0026).
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    return max(hour, *(item.period_start for item in live.items))


def _checked(desk: Desk, live: LiveSubscription, given: datetime) -> datetime:
    latest = proration_date_of(live, desk.now)
    if given > latest or given < desk.now - PREVIEW_HOLDS or given != proration_date_of(live, given):
        raise InvalidInput("proration_date", "must be that of a preview of the last two hours; make a new preview")
    return given


def _base(live: LiveSubscription) -> LiveItem:
    """The item that is paid ahead; a subscription of meters only has none, and then any will do."""
    return next((item for item in live.items if not item.is_metered), live.items[0])


def items_to_change(desk: Desk, live: LiveSubscription, offer: Offer) -> list[ItemChange]:
    """The items as an update takes them: prices swapped in place, missing meters added, unknown items removed.

    Each grants the new plan's whole allowance for the rest of the period. In doubt: Stripe's pages do not say that
    each price's tiers rate their own stretch alone (the sandbox does it so).
    """
    types = usage_types_of_prices(desk.session, {item.price_id for item in live.items})
    changes, met = [], set()
    base = _base(live)
    for item in live.items:
        usage_type = types.get(item.price_id, "") if item.is_metered else ""
        wanted = (
            offer.base_price_id if item is base and not item.is_metered else offer.metered_price_ids.get(usage_type)
        )
        met.add(wanted)
        if wanted != item.price_id:
            changes.append(ItemChange(item.id, wanted, item.is_metered))
    return changes + [each for each in _all_items(offer) if each.price_id not in met]


def _all_items(offer: Offer) -> list[ItemChange]:
    metered = [ItemChange(None, price_id, is_metered=True) for price_id in offer.metered_price_ids.values()]
    return [ItemChange(None, offer.base_price_id), *metered]
