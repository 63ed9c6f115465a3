"""Asking Twilio about texts and calls whose callback never came, or came while Twilio could not be asked."""

from __future__ import annotations

from datetime import timedelta

import structlog

from dashboard.billing.calls import accept_call, list_unsettled_calls
from dashboard.billing.errors import NotFound
from dashboard.billing.ports import ProviderRefused, ProviderUnavailable
from dashboard.billing.texts import accept_text, list_unsettled_texts
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
# Callbacks come within seconds of what they tell; a call may well go on for so long.
PATIENCE = timedelta(minutes=10)


def settle_telephony() -> None:
    """Ask about each of them; no transaction is open meanwhile, and one that cannot be settled stops no other."""
    parts = wiring()
    before = parts.clock.now() - PATIENCE
    with unit_of_work() as session:
        texts, calls = list_unsettled_texts(session, before), list_unsettled_calls(session, before)
    for tenant_id, message_id, sid in texts:
        _settle_text(tenant_id, message_id, sid)
    for tenant_id, call_id, sid in calls:
        _settle_call(tenant_id, call_id, sid)


def _settle_text(tenant_id: int, message_id: int, sid: str) -> None:
    parts = wiring()
    try:
        facts = parts.telephony.fetch_text(sid)
        with unit_of_work() as session:
            accept_text(session, tenant_id, message_id, facts, parts.clock.now())
    except (ProviderRefused, ProviderUnavailable, NotFound) as error:
        log.warning("text is not settled", tenant_id=tenant_id, message_id=message_id, sid=sid, error=str(error))


def _settle_call(tenant_id: int, call_id: int, sid: str) -> None:
    parts = wiring()
    try:
        facts = parts.telephony.fetch_call(sid)
        with unit_of_work() as session:
            accept_call(session, tenant_id, call_id, facts, parts.clock.now())
    except (ProviderRefused, ProviderUnavailable, NotFound) as error:
        log.warning("call is not settled", tenant_id=tenant_id, call_id=call_id, sid=sid, error=str(error))
