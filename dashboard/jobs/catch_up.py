"""Look into Stripe's event lists for what never arrived, and store it as if it had been delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import structlog

from dashboard.billing.inbox.catch_up import note_look, start_of_look
from dashboard.billing.inbox.webhook_inbox import store_events
from dashboard.billing.ports.providers import ProviderRefused, ProviderUnavailable
from dashboard.integrations.stripe.events import read_event
from dashboard.integrations.stripe.handlers import row_of
from dashboard.jobs.webhooks import ask_for_processing
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
PAGE = 100


def catch_up(since: datetime | None = None) -> int:
    """Read both lists back to where the last look ended, or to `since`; answers how many events had not arrived.

    Events of types that change nothing here are left. Raises `ProviderUnavailable` and `ProviderRefused`; what was
    found until then is stored, and the next look begins where this one did.
    """
    provider = wiring().billing
    found = _read("snapshot", provider.list_events, since)
    found += _read("thin", provider.list_thin_events, since)
    if found:
        log.warning("stripe events that never arrived", events=found)
        ask_for_processing()
    return found


def catch_up_quietly() -> None:
    """The same on schedule: when Stripe cannot be asked, the next look finds it."""
    try:
        catch_up()
    except (ProviderUnavailable, ProviderRefused) as error:
        log.warning("stripe's event list could not be read", error=str(error))


def _read(name: str, list_since: Callable[[datetime], Iterator[Mapping[str, Any]]], since: datetime | None) -> int:
    """One list, a transaction a page: what is found counts although a later page fails."""
    began = wiring().clock.now()
    with unit_of_work() as session:
        start = start_of_look(session, name, began, since)
    events, found = list_since(start), 0
    while page := list(islice(events, PAGE)):
        known = [read_event(event, is_live=None) for event in page if row_of(event["type"])]
        with unit_of_work() as session:
            found += len(store_events(session.connection(), known, wiring().clock.now(), source="catch-up"))
    with unit_of_work() as session:
        note_look(session, name, began, found)
    return found
