"""Pages of staff: all tenants, one tenant's story, what waits or failed. Nobody else learns that they exist."""

from __future__ import annotations

from flask import Blueprint, abort
from flask_login import current_user, login_required

from dashboard.web.viewing import current_view

blueprint = Blueprint("staff", __name__, url_prefix="/staff")


@blueprint.before_request
@login_required
def require_staff() -> None:
    """Staff only; the banner of a view is on their pages too."""
    if not current_user.is_staff:
        abort(404, "There is nothing here.")
    current_view()


from dashboard.web.staff import (  # noqa: E402 (they add their views)
    audit,  # noqa: F401
    dead_letters,  # noqa: F401
    home,  # noqa: F401
    meter_errors,  # noqa: F401
    prices,  # noqa: F401
    proposals,  # noqa: F401
    queues,  # noqa: F401
    reconciliation,  # noqa: F401
    subscriptions,  # noqa: F401
    syncs,  # noqa: F401
    tenants,  # noqa: F401
    twilio_checks,  # noqa: F401
    views,  # noqa: F401
    webhooks,  # noqa: F401
)
