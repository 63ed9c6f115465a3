"""`flask usage sync`: tell Stripe's meters what was used, here and now, and watch it."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext

from dashboard.billing.errors import InvalidInput
from dashboard.billing.metering.sync_runs import read_usage_types, request_sync
from dashboard.billing.metering.sync_waiting import Waiting, list_waiting
from dashboard.billing.plans.plans import catalog
from dashboard.cli.common import ID, operator
from dashboard.cli.sync.watching import do_run
from dashboard.models import SyncState
from dashboard.wiring import now, unit_of_work


@click.command("sync")
@click.option("--tenant", "tenant_id", type=ID, help="Of this tenant; of all unless given.")
@click.option("--type", "usage_types", multiple=True, metavar="TYPE", help="Of this usage type; may be repeated.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Say what would be claimed and sent, and write nothing.")
@with_appcontext
def sync_usage(tenant_id: int | None, usage_types: tuple[str, ...], *, is_dry_run: bool) -> None:
    """Send usage to Stripe's meters in this process; no worker is needed, and one may run meanwhile.

    Where a worker has a sync of the same scope under way, that one is shown. Ctrl-C cancels: what is sent stays sent.
    Exit status: 0 all sent, 1 something refused or failed, 2 wrong usage, 3 canceled.
    """
    try:
        chosen = read_usage_types(list(usage_types) or None)
        if is_dry_run:
            with unit_of_work() as session:
                _tell(list_waiting(session, now(), tenant_id=tenant_id, usage_types=chosen))
            return
        with unit_of_work() as session:
            run_id, is_new = request_sync(
                session, started_by=operator(), now=now(), tenant_id=tenant_id, usage_types=chosen
            )
    except InvalidInput as error:
        raise click.UsageError(str(error)) from error
    run = do_run(run_id, is_new=is_new)
    click.echo(f"sync {run.id}, {run.scope_label}: {run.state}")
    click.echo(
        f"claimed {run.claimed:,}; accepted {run.sent:,} ({run.duplicates:,} known before), refused {run.rejected:,}"
    )
    if run.error:
        click.echo(run.error, err=True)
    if run.state == SyncState.CANCELED:
        sys.exit(3)
    sys.exit(1 if run.state == SyncState.FAILED or run.rejected else 0)


def _tell(waiting: list[Waiting]) -> None:
    click.echo("dry run, nothing is written")
    for each in waiting:
        units = "readings" if each.quantity is None else f"{each.quantity:,} {each.usage_type.units_label}"
        click.echo(
            f"{catalog().meters[each.usage_type.name].event_name}: {each.hours:,} hours to claim, "
            f"{each.events:,} meter events claimed before to send; {units}"
        )
        if each.without_customer:
            click.echo(f"  {each.without_customer:,} of these hours wait for their tenant's Stripe customer")
    if not waiting:
        click.echo("nothing waits")
