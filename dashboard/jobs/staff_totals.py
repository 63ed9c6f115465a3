"""Keep the figures of the staff pages ready, and end the views whose hour is over."""

from __future__ import annotations

from dashboard.billing.staff import staff_totals, staff_views
from dashboard.wiring import unit_of_work, wiring

TENANTS_AT_ONCE = 100


def refresh_staff_totals() -> int:
    """Refresh what changed, a transaction for some tenants at a time; answers how many tenants that were."""
    clock = wiring().clock
    with unit_of_work() as session:
        outdated = staff_totals.list_outdated_totals(session, clock.now())
    for n in range(0, len(outdated), TENANTS_AT_ONCE):
        with unit_of_work() as session:
            staff_totals.refresh_totals(session, outdated[n : n + TENANTS_AT_ONCE], clock.now())
    with unit_of_work() as session:
        staff_totals.refresh_counts(session, clock.now())
    return len(outdated)


def end_staff_views() -> None:
    """Note the end of each view whose time is up."""
    with unit_of_work() as session:
        staff_views.end_views(session, wiring().clock.now())
