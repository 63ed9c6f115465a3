"""What Countinghouse tells us: its signed webhooks, kept once each."""

from __future__ import annotations

from countinghouse_client import InvalidSignature, verify_webhook
from flask import Blueprint, abort, current_app, request
from flask.typing import ResponseReturnValue

blueprint = Blueprint("webhooks", __name__)


@blueprint.post("/<tenant>/webhooks/countinghouse")
def receive(tenant: str) -> ResponseReturnValue:
    """Take a webhook of this tenant's endpoint. Countinghouse repeats what is not answered with 2xx."""
    receiver = current_app.extensions["tenants"].get(tenant)
    if receiver is None or receiver.webhook_secret is None:
        abort(404)
    try:
        event = verify_webhook(request.get_data(), dict(request.headers), receiver.webhook_secret)
    except InvalidSignature as error:
        abort(400, str(error))
    # The id makes a repeat harmless: it is stored once, and only what is new would be acted upon here.
    receiver.store.add("webhook", event, request.headers["webhook-id"])
    return "", 204
