"""What an account's owner sets in Stripe's dashboard, and the sandbox's own switches. Kept in the store."""

from __future__ import annotations

from typing import Any

from sandbox.store import Store, Thing

ENDS = ("canceled", "unpaid", "past_due", "paused")
DEFAULTS: dict[str, Any] = {
    # Days from one failed payment to the next try; after the last the subscription ends as `dunning_end` says.
    "dunning_days": [3, 3, 3],
    "dunning_end": "canceled",
    # Seconds that a renewal's invoice stays a draft (Stripe: 1 h, up to 72 h).
    "draft_seconds": 3_600,
    # Days before a renewal at which `invoice.upcoming` tells of it; 0 says nothing.
    "upcoming_days": 7,
    # Meter events are checked when they come (a 400), or afterwards as Stripe may do (200, then a thin event).
    "asynchronous_meter_events": False,
    # None, "sandbox" (25 calls a second) or "live" (100).
    "rate_limit": None,
}


def settings_of(store: Store) -> Thing:
    """Every setting as it stands."""
    return {**DEFAULTS, **(store.get("settings", "settings") or {})}


def change_settings(store: Store, wanted: dict[str, Any]) -> str | None:
    """Lay these over the settings; answers what is wrong with them, if anything is."""
    unknown = sorted(set(wanted) - set(DEFAULTS))
    if unknown:
        return f"{unknown[0]}: no such setting; there are {', '.join(DEFAULTS)}"
    days = wanted.get("dunning_days", [1])
    if not isinstance(days, list) or not all(isinstance(day, int | float) and 0 < day <= 60 for day in days):
        return "dunning_days: must be a list of days, each above 0 and at most 60"
    if wanted.get("dunning_end", ENDS[0]) not in ENDS:
        return f"dunning_end: must be one of {', '.join(ENDS)}"
    if wanted.get("rate_limit") not in {None, "sandbox", "live"}:
        return "rate_limit: must be null, sandbox or live"
    seconds = wanted.get("draft_seconds", 3_600)
    if not isinstance(seconds, int) or not 0 <= seconds <= 72 * 3_600:
        return "draft_seconds: must be whole seconds, at most 72 hours"
    if not isinstance(wanted.get("upcoming_days", 0), int):
        return "upcoming_days: must be a whole number of days"
    if not isinstance(wanted.get("asynchronous_meter_events", False), bool):
        return "asynchronous_meter_events: must be true or false"
    store.put("settings", {**(store.get("settings", "settings") or {}), **wanted}, "settings")
    return None
