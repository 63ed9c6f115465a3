"""Which tenant a member of staff looks at: found once a request, for the tenant's pages and for the banner on all."""

from __future__ import annotations

from flask import g
from flask_login import current_user

from dashboard.billing.staff.staff_views import LiveView, find_view
from dashboard.wiring import now, session

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def current_view() -> LiveView | None:
    """The reader's view, None for whoever is no staff or looks at nobody."""
    if "staff_view" not in g:
        is_staff = current_user.is_authenticated and current_user.is_staff
        g.staff_view = find_view(session(), current_user.user, now()) if is_staff else None
    found: LiveView | None = g.staff_view
    return found
