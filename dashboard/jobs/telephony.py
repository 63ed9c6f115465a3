"""Asking Twilio about texts and calls whose callback never came, or came while Twilio could not be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from dashboard.billing.calls import accept_call, list_unsettled_calls
from dashboard.billing.ports import ProviderRefused, ProviderUnavailable
from dashboard.billing.texts import accept_text, list_unsettled_texts
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
# Callbacks come within seconds of what they tell; a call may well go on for so long.
PATIENCE = timedelta(minutes=10)
# What Twilio cannot tell after a week it will not tell any more; it must not crowd out the others for ever.
OLDEST = timedelta(days=7)


def settle_telephony() -> None:
    """Ask about each of them; no transaction is open meanwhile, and one that cannot be settled stops no other."""
    parts = wiring()
    moment = parts.clock.now()
    span = (moment - OLDEST, moment - PATIENCE)
    with unit_of_work() as session:
        texts, calls = list_unsettled_texts(session, *span), list_unsettled_calls(session, *span)
    for tenant_id, message_id, sid in texts:
        with _alone(sid):
            facts = parts.telephony.fetch_text(sid)
            with unit_of_work() as session:
                accept_text(session, tenant_id, message_id, facts, parts.clock.now())
    for tenant_id, call_id, sid in calls:
        with _alone(sid):
            call = parts.telephony.fetch_call(sid)
            with unit_of_work() as session:
                accept_call(session, tenant_id, call_id, call, parts.clock.now())


@contextmanager
def _alone(sid: str) -> Iterator[None]:
    try:
        yield
    except (ProviderRefused, ProviderUnavailable) as error:
        log.warning("not settled, to be asked again", sid=sid, error=str(error))
    except Exception:
        log.exception("not settled", sid=sid)
