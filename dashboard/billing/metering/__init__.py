"""Telling Stripe's meters what was used, exactly once: claim, freeze, send, mark; take back, resend, or propose.

Claiming and sending are steps of their own. A claim is one transaction; sending can be repeated for ever, because the
identifier and payload of a meter event never change and Stripe refuses an identifier it has seen.
"""

from __future__ import annotations

from dashboard.billing.metering.causes import Cause, cause_of
from dashboard.billing.metering.claiming import (
    Claimed,
    Owed,
    claim_chunk,
    claim_meter_events,
    count_owed,
    list_due_tenants,
    list_tenants_after,
)
from dashboard.billing.metering.delivery import Delivered, Outage, Outcome, deliver
from dashboard.billing.metering.owed import OLDEST
from dashboard.billing.metering.resending import Mended, confirm, list_rejected, resend
from dashboard.billing.metering.sending import (
    Sent,
    list_pending_tenants,
    mark_outcomes,
    mark_untried,
    summarize,
    take_pending,
)
from dashboard.billing.metering.settling import list_tenants_to_settle, settle_unsendable
from dashboard.billing.metering.taking_back import ask_to_take_back, list_asked, mark_canceled, take_back

__all__ = [
    "OLDEST",
    "Cause",
    "Claimed",
    "Delivered",
    "Mended",
    "Outage",
    "Outcome",
    "Owed",
    "Sent",
    "ask_to_take_back",
    "cause_of",
    "claim_chunk",
    "claim_meter_events",
    "confirm",
    "count_owed",
    "deliver",
    "list_asked",
    "list_due_tenants",
    "list_pending_tenants",
    "list_rejected",
    "list_tenants_after",
    "list_tenants_to_settle",
    "mark_canceled",
    "mark_outcomes",
    "mark_untried",
    "resend",
    "settle_unsendable",
    "summarize",
    "take_back",
    "take_pending",
]
