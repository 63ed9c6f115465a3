"""Ending a subscription, taking that back, pausing and resuming it."""

from __future__ import annotations

from dashboard.billing.errors import InvalidInput, NotNow
from dashboard.billing.mirror.billing_state import LIVE
from dashboard.billing.ports.subscriptions import InvoicePreview, LiveSubscription
from dashboard.billing.subscriptions.billing_desk import Desk, need_status, need_subscription, take_in

WHEN = ("period_end", "now")


def preview_end(desk: Desk) -> InvoicePreview | None:
    """The last invoice if the subscription ended now, or None where nothing would be billed."""
    live = need_subscription(desk)
    return desk.provider.preview_end(live.id) if live.status in LIVE else None


def cancel_subscription(desk: Desk, when: object) -> LiveSubscription:
    """End it with the paid period, or now. A scheduled change is forgotten; ending it twice changes nothing.

    The caller holds the tenant's billing and has sent its usage to Stripe: now means that usage is invoiced now.

    Raises `InvalidInput` (`when`), `NotNow`.
    """
    if when not in WHEN:
        raise InvalidInput("when", f"must be one of {', '.join(WHEN)}")
    live = need_subscription(desk)
    if live.schedule_id is not None:
        desk.provider.release_schedule(live.schedule_id, key=desk.key_for("release"))
    if when == "now":
        ended = desk.provider.end_now(live.id, key=desk.key_for("end"))
    elif live.facts.cancel_at is not None:
        ended = live
    else:
        need_status(live, (*LIVE, "unpaid"), "cancel at the end of the period")
        ended = desk.provider.end_at_period_end(live.id, key=desk.key_for("end"))
    take_in(desk, ended)
    return ended


def resume_subscription(desk: Desk) -> LiveSubscription:
    """Take a cancellation back, or go on after a pause (once the new period is paid).

    Raises `NotNow` where there is neither.
    """
    live = need_subscription(desk)
    if live.facts.cancel_at is not None and live.status != "paused":
        live = desk.provider.take_back_end(live.id, key=desk.key_for("take-back"))
    elif live.status == "paused":
        live = desk.provider.resume_subscription(live.id, key=desk.key_for("resume"))
    else:
        raise NotNow("The subscription is neither paused nor about to end: there is nothing to resume.")
    take_in(desk, live)
    return live


def pause_subscription(desk: Desk) -> LiveSubscription:
    """Stop billing until it is resumed: unused time is credited, usage so far billed now. The tenant is on Free.

    The caller holds the tenant's billing and has sent its usage to Stripe. Raises `NotNow`.
    """
    live = need_subscription(desk)
    if live.status == "paused":
        return live
    if live.status == "trialing":
        raise NotNow("A trial cannot be paused. Cancel it, or wait for its end.")
    need_status(live, ("active",), "pause")
    if live.schedule_id is not None:
        raise NotNow("A change of plan is scheduled. Keep your plan first, then pause.")
    if live.facts.cancel_at is not None:
        raise NotNow("The subscription is about to end. Take the cancellation back first, then pause.")
    paused = desk.provider.pause_subscription(live.id, key=desk.key_for("pause"))
    take_in(desk, paused)
    return paused
