"""Send outgoing webhooks, and look whether a tenant's usage reached what its plan includes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime

import structlog

from dashboard.billing.limits import usage_alerts
from dashboard.billing.outgoing_webhooks import webhook_signature
from dashboard.billing.outgoing_webhooks.outgoing_webhooks import (
    Answer,
    ClaimedDelivery,
    claim_deliveries,
    has_due_deliveries,
    settle_delivery,
)
from dashboard.integrations.webhook_sender import WebhookSender
from dashboard.jobs.mails import enqueue_due_mails
from dashboard.jobs.queues import OUTGOING, enqueue
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
AT_ONCE = 16
SIGNING_KEY_CHANGED = (
    "The signing key of this installation changed since the endpoint was added, so nothing is sent. "
    "Its operator can set WEBHOOK_SIGNING_KEY to the earlier one."
)


def enqueue_due_webhooks() -> None:
    """Have a worker send what is due, if anything is."""
    with unit_of_work() as session:
        is_due = has_due_deliveries(session, now=wiring().clock.now(), wall=datetime.now(UTC))
    if is_due:
        enqueue(OUTGOING, send_due_webhooks)


def send_due_webhooks() -> None:
    """Send a round of due deliveries, one an endpoint and all at once, so it takes as long as the slowest.

    What is due then is another round's work: the other queues come in between.
    """
    parts = wiring()
    with unit_of_work() as session:
        claimed = claim_deliveries(
            session, parts.settings.signing_key, now=parts.clock.now(), wall=datetime.now(UTC), limit=AT_ONCE
        )
    if not claimed:
        return
    with ThreadPoolExecutor(len(claimed)) as pool:
        requests = {pool.submit(_send, parts.webhooks, each): each for each in claimed}
        for request in as_completed(requests):
            _settle(requests[request], request.result())
    log.info("webhooks sent", deliveries=len(claimed))
    enqueue_due_webhooks()


def _settle(claimed: ClaimedDelivery, answer: Answer) -> None:
    """One that cannot be settled keeps no other from it; it is sent again when its lease ends."""
    try:
        with unit_of_work() as session:
            settle_delivery(session, claimed, answer, wiring().clock.now())
    except Exception:
        log.exception("webhook could not be settled", tenant=claimed.tenant_id, delivery=claimed.id)


def _send(sender: WebhookSender, claimed: ClaimedDelivery) -> Answer:
    if claimed.secret is None:
        return Answer(None, "", SIGNING_KEY_CHANGED, 0)
    # The receiver compares the time with its own clock, so it is the wall's, not the sandbox's.
    headers = webhook_signature.sign(claimed.secret, claimed.message_id, int(time.time()), claimed.body)
    return sender.send(claimed.url, {**headers, "Content-Type": "application/json"}, claimed.body)


def announce_usage_thresholds() -> None:
    """Announce what tenants with new usage have reached, a transaction for each; one that fails stops no other."""
    clock = wiring().clock
    with unit_of_work() as session:
        tenants = usage_alerts.list_changed_tenants(session)
    for tenant_id in tenants:
        try:
            with unit_of_work() as session:
                usage_alerts.announce_thresholds(session, tenant_id, clock.now())
        except Exception:
            log.exception("usage thresholds could not be looked at", tenant=tenant_id)
    enqueue_due_webhooks()
    enqueue_due_mails()
