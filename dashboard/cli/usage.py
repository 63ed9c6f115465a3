"""`flask usage …`: the usage ledger."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from dashboard.billing.ledger import rollups
from dashboard.cli.sync import sync_usage
from dashboard.cli.twilio_check import check_twilio_usage
from dashboard.cli.usage_import import import_usage
from dashboard.cli.usage_reconcile import usage_reconcile
from dashboard.jobs.storage import measure_storage
from dashboard.wiring import now, unit_of_work

usage_commands = AppGroup("usage", help="The usage ledger.")
usage_commands.add_command(import_usage)
usage_commands.add_command(check_twilio_usage)
usage_commands.add_command(sync_usage)
usage_commands.add_command(usage_reconcile)


@usage_commands.command("verify")
def usage_verify() -> None:
    """Rebuild every rollup aside and compare it with the stored one; exit 1 on any difference."""
    with unit_of_work() as session:
        differences = rollups.verify_rollups(session)
    for each in differences:
        click.echo(
            f"tenant {each.tenant_id} {each.usage_type} {each.slot} of {each.bucket_start.isoformat()}: "
            f"ledger {each.ledger}, rollup {each.rollup}"
        )
    click.echo(f"{len(differences)} differences")
    sys.exit(1 if differences else 0)


@usage_commands.command("measure-storage")
def usage_measure_storage() -> None:
    """Take today's (UTC) storage reading of every tenant that has none; the schedule does so by itself."""
    click.echo(f"{measure_storage(now())} tenants measured")
