"""Changes of a running subscription at Stripe: its prices now or at a boundary, its end, its pauses, and previews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import stripe

from dashboard.billing.ports.providers import ProviderRefused
from dashboard.billing.ports.subscriptions import InvoicePreview, ItemChange, LiveSubscription, ScheduledChange
from dashboard.integrations.stripe.checkout_gateway import StripeAccess
from dashboard.integrations.stripe.client import domain_errors, if_there, keyed
from dashboard.integrations.stripe.subscription_translate import invoice_preview, live_subscription, scheduled_change
from dashboard.integrations.stripe.translate import id_of

if TYPE_CHECKING:
    from stripe.params import (
        InvoiceCreatePreviewParams,
        SubscriptionScheduleUpdateParams,
        SubscriptionScheduleUpdateParamsPhase,
        SubscriptionUpdateParams,
    )

# Flexible billing keeps the day of the month by itself, so its docs say; the SDK's words on updates say that
# a change between month and year moves it. So it is said every time.
SAME_DAY = {"type": "unchanged"}
OVER = ("canceled", "incomplete_expired")


class SubscriptionGateway(StripeAccess):
    """What can happen to a running subscription."""

    def read_subscription(self, subscription_id: str) -> LiveSubscription | None:
        """The subscription as it is now, or None."""
        return if_there(lambda: live_subscription(self._v1.subscriptions.retrieve(subscription_id)))

    def list_subscriptions(self, customer_id: str, *, with_ended: bool = False) -> list[LiveSubscription]:
        """A customer's, newest first; those that are over only `with_ended`."""
        with domain_errors():
            listed = self._v1.subscriptions.list({"customer": customer_id, "status": "all", "limit": 100})
            found = [live_subscription(each) for each in listed.auto_paging_iter()]
        return [each for each in found if with_ended or each.status not in OVER]

    def preview_change(self, subscription_id: str, items: list[ItemChange], at: datetime) -> InvoicePreview | None:
        """The invoice that this change would make at once, or None where it makes none."""
        return self._preview(
            {
                "subscription": subscription_id,
                "subscription_details": {
                    "items": _items(items),
                    "billing_cycle_anchor": SAME_DAY,
                    "proration_behavior": "always_invoice",
                    "proration_date": int(at.timestamp()),
                },
            }
        )

    def preview_next(self, subscription_id: str) -> InvoicePreview | None:
        """The next invoice as it would be by now, or None when none is to come."""
        return self._preview({"subscription": subscription_id})

    def preview_end(self, subscription_id: str) -> InvoicePreview | None:
        """The last invoice if the subscription ended now: usage that was not billed yet."""
        details = {"cancel_now": True, "proration_behavior": "none"}
        return self._preview({"subscription": subscription_id, "subscription_details": details})

    def _preview(self, wanted: dict[str, Any]) -> InvoicePreview | None:
        try:
            with domain_errors():
                return invoice_preview(self._v1.invoices.create_preview(cast("InvoiceCreatePreviewParams", wanted)))
        except ProviderRefused as refusal:
            cause = refusal.__cause__
            if isinstance(cause, stripe.InvalidRequestError) and cause.code == "invoice_upcoming_none":
                return None
            raise

    def change_items(
        self, subscription_id: str, items: list[ItemChange], at: datetime, *, prorates: bool, key: str
    ) -> LiveSubscription:
        """Other prices now, invoiced now. Not paid at once, the change waits for its payment, at most 23 hours.

        Without `prorates` (in a trial, where nothing was paid) nothing is credited or charged.
        """
        money: dict[str, Any] = {"proration_behavior": "none"}
        if prorates:
            # Also bills the usage before `at` at the prices it was used under; "none" would forgive it.
            money = {
                "proration_behavior": "always_invoice",
                "proration_date": int(at.timestamp()),
                "payment_behavior": "pending_if_incomplete",
            }
        return self._update(subscription_id, {"items": _items(items), "billing_cycle_anchor": SAME_DAY, **money}, key)

    def schedule_prices(
        self, live: LiveSubscription, prices: list[ItemChange], at: datetime, *, key: str
    ) -> ScheduledChange:
        """The present prices until `at`, the end of a period, then these; afterwards the subscription goes on freely.

        In doubt: how long the last phase lasts when neither its end nor its duration is given. It is given as one day:
        then the schedule lets go of the subscription, whose prices stay.
        """
        with keyed(key):
            schedule_id = live.schedule_id or self._schedule(live.id, key)
            schedule = self._v1.subscription_schedules.retrieve(schedule_id)
            if schedule.current_phase is None:
                raise ProviderRefused("the scheduled change is over already; try again")
            current = {
                "items": [_phase_item(each.price_id, is_metered=each.is_metered) for each in live.items],
                "start_date": schedule.current_phase.start_date,
                "end_date": int(at.timestamp()),
                "proration_behavior": "none",
            }
            following = {
                "items": [_phase_item(each.price_id or "", is_metered=each.is_metered) for each in prices],
                "duration": {"interval": "day", "interval_count": 1},
                "proration_behavior": "none",
            }
            params: SubscriptionScheduleUpdateParams = {
                "phases": cast("list[SubscriptionScheduleUpdateParamsPhase]", [current, following]),
                "end_behavior": "release",
                "proration_behavior": "none",
            }
            self._v1.subscription_schedules.update(schedule_id, params, {"idempotency_key": key})
        return ScheduledChange(schedule_id, tuple(each.price_id or "" for each in prices), at)

    def _schedule(self, subscription_id: str, key: str) -> str:
        made = self._v1.subscription_schedules.create(
            {"from_subscription": subscription_id}, {"idempotency_key": f"{key}-schedule"}
        )
        return made.id

    def read_schedule(self, schedule_id: str) -> ScheduledChange | None:
        """What a schedule brings next, or None."""
        return if_there(lambda: scheduled_change(self._v1.subscription_schedules.retrieve(schedule_id)))

    def subscription_of_schedule(self, schedule_id: str) -> str | None:
        """The id of the subscription that a schedule steers, or steered until it was released."""
        schedule = if_there(lambda: self._v1.subscription_schedules.retrieve(schedule_id))
        return id_of(schedule.subscription) or schedule.released_subscription if schedule else None

    def release_schedule(self, schedule_id: str, *, key: str) -> None:
        """Forget what was scheduled; the subscription goes on as it is."""
        with keyed(key):
            self._v1.subscription_schedules.release(schedule_id, {}, {"idempotency_key": key})

    def end_at_period_end(self, subscription_id: str, *, key: str) -> LiveSubscription:
        """End with the period that was paid: of a yearly plan that is the year.

        `cancel_at_period_end` would mean the period that ends first, the month of the meters.
        """
        return self._update(subscription_id, {"cancel_at": "max_period_end"}, key)

    def end_now(self, subscription_id: str, *, key: str) -> LiveSubscription:
        """End at once. Usage that was not billed yet is invoiced now, unused time of the base fee is not returned."""
        with keyed(key):
            ended = self._v1.subscriptions.cancel(
                subscription_id, {"invoice_now": True, "prorate": False}, {"idempotency_key": key}
            )
        return live_subscription(ended)

    def take_back_end(self, subscription_id: str, *, key: str) -> LiveSubscription:
        """Go on after all."""
        return self._update(subscription_id, {"cancel_at": ""}, key)

    def pause_subscription(self, subscription_id: str, *, key: str) -> LiveSubscription:
        """Stop billing. Unused time is credited and usage billed on an invoice of now."""
        with keyed(key):
            paused = self._v1.subscriptions.pause(
                subscription_id, {"invoicing_behavior": "invoice"}, {"idempotency_key": key}
            )
        return live_subscription(paused)

    def resume_subscription(self, subscription_id: str, *, key: str) -> LiveSubscription:
        """Begin a new period once it is paid; until then the subscription stays paused."""
        with keyed(key):
            resumed = self._v1.subscriptions.resume(
                subscription_id,
                {"billing_cycle_anchor": {"type": "now"}, "payment_behavior": "resume_on_payment_success"},
                {"idempotency_key": key},
            )
        return live_subscription(resumed)

    def _update(self, subscription_id: str, params: dict[str, Any], key: str) -> LiveSubscription:
        with keyed(key):
            updated = self._v1.subscriptions.update(
                subscription_id, cast("SubscriptionUpdateParams", params), {"idempotency_key": key}
            )
        return live_subscription(updated)


def _items(changes: Sequence[ItemChange]) -> list[dict[str, Any]]:
    """By the id of the item: without one Stripe adds an item instead of changing it."""
    return [_item(change) for change in changes]


def _item(change: ItemChange) -> dict[str, Any]:
    named = {"id": change.item_id} if change.item_id else {}
    return {**named, "deleted": True} if change.price_id is None else {**named, "price": change.price_id}


def _phase_item(price_id: str, *, is_metered: bool) -> dict[str, Any]:
    return {"price": price_id} if is_metered else {"price": price_id, "quantity": 1}
