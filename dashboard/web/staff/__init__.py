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


from dashboard.web.staff import prices, subscriptions, syncs, twilio_checks, webhooks  # noqa: E402, F401 (they add their views)
