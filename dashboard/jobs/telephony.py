"""Asking Twilio about texts and calls whose callback never came, or came while Twilio could not be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.billing.telephony.calls import accept_call, list_unsettled_calls
from dashboard.billing.telephony.texts import accept_text, list_unsettled_texts
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
# Callbacks come within seconds of what they tell; a call may well go on for so long.
PATIENCE = timedelta(minutes=10)
# What Twilio cannot tell after a week it will not tell any more; it must not crowd out the others for ever.
OLDEST = timedelta(days=7)


def settle_telephony() -> None:
    """Ask about each of them, with no transaction open meanwhile. When Twilio does not answer, the rest waits too."""
    parts = wiring()
    moment = parts.clock.now()
    span = (moment - OLDEST, moment - PATIENCE)
    with unit_of_work() as session:
        texts, calls = list_unsettled_texts(session, *span), list_unsettled_calls(session, *span)
    try:
        for text in texts:
            _settle_text(*text)
        for call in calls:
            _settle_call(*call)
    except ProviderUnavailable as error:
        log.warning("Twilio cannot be asked now", error=str(error))


def _settle_text(tenant_id: int, message_id: int, sid: str) -> None:
    parts = wiring()
    with _one_of_many(sid):
        facts = parts.telephony.fetch_text(sid)
        with unit_of_work() as session:
            accept_text(session, tenant_id, message_id, facts, parts.clock.now())


def _settle_call(tenant_id: int, call_id: int, sid: str) -> None:
    parts = wiring()
    with _one_of_many(sid):
        facts = parts.telephony.fetch_call(sid)
        with unit_of_work() as session:
            accept_call(session, tenant_id, call_id, facts, parts.clock.now())


@contextmanager
def _one_of_many(sid: str) -> Iterator[None]:
    """One that cannot be settled is logged and stops no other."""
    try:
        yield
    except ProviderUnavailable:
        raise
    except Exception:
        log.exception("not settled", sid=sid)
