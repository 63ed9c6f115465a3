"""`flask billing …`: what is owed to Stripe."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from dashboard.jobs.metering import start_sync

billing_commands = AppGroup("billing", help="What is owed to Stripe.")


@billing_commands.command("sync")
def billing_sync() -> None:
    """Ask the worker for a meter sync of all tenants."""
    click.echo(f"sync {start_sync('command line')} is queued")
