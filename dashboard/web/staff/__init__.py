"""Pages of internal staff: syncs, subscriptions, prices, Stripe webhooks. Nobody else learns that they exist."""

from __future__ import annotations

from flask import Blueprint, abort
from flask_login import current_user, login_required

blueprint = Blueprint("staff", __name__, url_prefix="/staff")


@blueprint.before_request
@login_required
def require_staff() -> None:
    """Staff only."""
    if not current_user.is_staff:
        abort(404, "There is nothing here.")


from dashboard.web.staff import (  # noqa: E402 (they add their views)
    meter_errors,  # noqa: F401
    prices,  # noqa: F401
    proposals,  # noqa: F401
    subscriptions,  # noqa: F401
    syncs,  # noqa: F401
    twilio_checks,  # noqa: F401
    webhooks,  # noqa: F401
)
