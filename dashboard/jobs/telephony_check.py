"""Hold a day's texts and calls against Twilio's own records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain, islice

import structlog

from dashboard.billing.ports.providers import ProviderUnavailable
from dashboard.billing.ports.telephony import TelephonyRecord
from dashboard.billing.telephony_check import ledger
from dashboard.billing.telephony_check.comparison import DayComparison, Recorded
from dashboard.billing.telephony_check.results import store_check, store_failure
from dashboard.wiring import unit_of_work, wiring

log = structlog.get_logger()
CHUNK = 1_000
# Lengths and segments settle late at Twilio, and a day that could not be read is tried again.
DAYS_BACK = 3


def check_twilio() -> None:
    """Check yesterday (UTC) and the two days before it."""
    today = wiring().clock.now().date()
    for back in range(DAYS_BACK, 0, -1):
        check_twilio_day((today - timedelta(days=back)).isoformat())


def check_twilio_day(day: str) -> None:
    """Check one day (ISO 8601); that Twilio did not answer is noted with it."""
    try:
        compare_day(date.fromisoformat(day))
    except ProviderUnavailable as error:
        log.warning("a day could not be checked", day=day, error=str(error))


def compare_day(day: date) -> DayComparison:
    """Compare one day and keep what was found. No transaction is open while Twilio is asked.

    Raises `ProviderUnavailable`, which is noted with the day.
    """
    comparison = DayComparison(day)
    clock = wiring().clock
    try:
        _take_twilios(comparison)
        _take_ours(comparison)
    except ProviderUnavailable as error:
        with unit_of_work() as session:
            store_failure(session, day, str(error), clock.now())
        raise
    comparison.finish()
    with unit_of_work() as session:
        store_check(session, comparison, clock.now())
    log.info("day checked against Twilio", day=day.isoformat(), differences=len(comparison.differences))
    return comparison


def _take_twilios(comparison: DayComparison) -> None:
    telephony = wiring().telephony
    listed = chain(telephony.list_texts(comparison.day), telephony.list_calls(comparison.day))
    for records in _chunks(listed):
        with unit_of_work() as session:
            owners = ledger.owners_of(session, records)
            recorded = ledger.find_recorded(session, records, owners)
        comparison.take(records, owners, recorded)


def _take_ours(comparison: DayComparison) -> None:
    with unit_of_work() as session:
        tenants = ledger.list_tenants_around(session, comparison.day)
    for tenant_id in tenants:
        with unit_of_work() as session:
            found = ledger.read_recorded(session, tenant_id, comparison.day, around=comparison.has_strays)
            open_ones = [each for each in found if comparison.meet(each)]
        for ours in open_ones:
            comparison.settle(ours, _ask(ours))


def _ask(ours: Recorded) -> TelephonyRecord | None:
    return wiring().telephony.find_record(ours.kind, ours.sid)


def _chunks(records: Iterator[TelephonyRecord]) -> Iterator[list[TelephonyRecord]]:
    while some := list(islice(records, CHUNK)):
        yield some
