"""The whole schedule: what runs again and again without anybody asking."""

from __future__ import annotations

from rq.cron import CronScheduler

from dashboard.billing.metering import sync_runs
from dashboard.jobs.api_requests import record_spooled_requests
from dashboard.jobs.billing_states import fetch_partial_invoices, follow_restricted_states, follow_stale_states
from dashboard.jobs.catch_up import catch_up_quietly
from dashboard.jobs.mails import enqueue_due_mails
from dashboard.jobs.metering import HOUR, start_sync, sync_meters
from dashboard.jobs.outgoing import announce_usage_thresholds, enqueue_due_webhooks
from dashboard.jobs.prices import settle_prices
from dashboard.jobs.queues import METERING, OUTGOING, WEBHOOKS, enqueue
from dashboard.jobs.reconciliation import reconcile_due
from dashboard.jobs.staff_totals import end_staff_views, refresh_staff_totals
from dashboard.jobs.storage import enqueue_storage_reading, read_storage_of_all
from dashboard.jobs.telephony import settle_telephony
from dashboard.jobs.telephony_check import check_twilio
from dashboard.jobs.webhooks import process_if_due, prune_stripe_events
from dashboard.wiring import now, unit_of_work


def register(scheduler: CronScheduler) -> None:
    """Every entry of the schedule, on one screen."""
    scheduler.register(sweep, WEBHOOKS, interval=15, result_ttl=0)
    # At its start too: webhooks that came while nothing ran here are lost otherwise after Stripe's three days.
    scheduler.register(catch_up_quietly, WEBHOOKS, interval=900, job_timeout=HOUR, result_ttl=0)
    scheduler.register(prune_stripe_events, WEBHOOKS, cron="40 3 * * *", job_timeout=HOUR, result_ttl=0)
    scheduler.register(settle_telephony, WEBHOOKS, interval=600, job_timeout=600, result_ttl=0)
    scheduler.register(check_twilio, WEBHOOKS, cron="20 4 * * *", job_timeout=HOUR, result_ttl=0)
    # Minute 2: the hour that just ended is complete, and Stripe's invoice still waits an hour after a period's end.
    scheduler.register(sync_hourly, METERING, cron="2 * * * *", job_timeout=HOUR, result_ttl=0)
    # After the sync; a period that runs is due once a day.
    scheduler.register(reconcile_due, METERING, cron="20 * * * *", job_timeout=HOUR, result_ttl=0)
    scheduler.register(announce_usage_thresholds, OUTGOING, interval=60, result_ttl=0)
    scheduler.register(follow_restricted_states, WEBHOOKS, interval=300, result_ttl=0)
    # After an upgrade only: there is nothing to fetch once all invoices are kept whole.
    scheduler.register(fetch_partial_invoices, WEBHOOKS, interval=3_600, job_timeout=HOUR, result_ttl=0)
    scheduler.register(refresh_staff_totals, OUTGOING, interval=60, job_timeout=600, result_ttl=0)
    scheduler.register(end_staff_views, OUTGOING, interval=60, result_ttl=0)
    # The sweep takes a day's reading that was missed.
    scheduler.register(read_storage_of_all, METERING, cron="10 0 * * *", job_timeout=HOUR, result_ttl=0)


def sweep() -> None:
    """Enqueue what a crash left between commit and queue, and what is to be tried again."""
    with unit_of_work() as session:
        sync_runs.close_lost_runs(session, now())
        run_ids = sync_runs.list_queued_runs(session)
    process_if_due()
    for run_id in run_ids:
        enqueue(METERING, sync_meters, run_id, timeout=HOUR)
    follow_stale_states()
    enqueue_due_webhooks()
    enqueue_due_mails()
    enqueue_storage_reading()
    record_spooled_requests()
    settle_prices()


def sync_hourly() -> None:
    """The hourly meter sync."""
    start_sync("schedule")
