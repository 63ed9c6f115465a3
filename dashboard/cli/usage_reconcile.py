"""`flask usage reconcile`: compare ledger, meters and invoices, and repair what differs."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from dashboard.billing.ledger.usage_types import USAGE_TYPES
from dashboard.billing.reconciliation import checking
from dashboard.billing.reconciliation.reports import list_open
from dashboard.cli.common import ID, explained
from dashboard.jobs.reconciliation import reconcile_period, repair_period
from dashboard.models import CheckState
from dashboard.wiring import now, unit_of_work

BY = "command line"


@click.command("reconcile")
@click.option("--tenant", type=ID, help="Only this tenant; all its periods.")
@click.option("--type", "usage_type", type=click.Choice([*USAGE_TYPES]), help="Only this usage type.")
@click.option("--period", type=click.DateTime(["%Y-%m-%d"]), help="Only the periods that this day (UTC) lies in.")
@click.option("--repair", is_flag=True, help="Repair what differs, and compare again.")
@explained
def usage_reconcile(tenant: int | None, usage_type: str | None, period: datetime | None, repair: bool) -> None:
    """Compare ledger, Stripe's meters and invoice lines; exit 1 where they differ.

    Without --tenant and --period every period that is not settled yet is compared.
    """
    day = period.date() if period else None
    with unit_of_work() as session:
        wanted = checking.list_periods_of(session, now(), tenant_id=tenant, day=day)
    counts = dict.fromkeys(CheckState, 0)
    repaired = 0
    with click.progressbar(wanted, label="Periods", file=sys.stderr, hidden=not sys.stderr.isatty()) as periods:
        for tenant_id, start in periods:
            if repair:
                repaired += repair_period(tenant_id, start, usage_type, BY)
            concluded = reconcile_period(tenant_id, start, usage_type)
            for state in concluded.states.values() if concluded else ():
                counts[state] += 1
    with unit_of_work() as session:
        for finding in list_open(session, wanted, usage_type):
            click.echo(f"tenant {finding.finding.tenant_id} {finding.finding.usage_type}: {finding.text}")
    summary = ", ".join(f"{count} {state.value}" for state, count in counts.items())
    click.echo(f"{len(wanted)} periods: {summary}" + (f"; {repaired} repaired" if repair else ""))
    sys.exit(1 if counts[CheckState.DIFFERENT] else 0)
