"""`flask stripe replay` and `flask stripe catch-up`: events processed again, and events that never arrived."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import with_appcontext

from dashboard.cli.common import explained
from dashboard.jobs import catch_up, replay


@click.command("replay")
@click.argument("event_id", required=False)
@click.option("--failed", is_flag=True, help="Every event that failed for the last time.")
@with_appcontext
@explained
def replay_events(event_id: str | None, *, failed: bool) -> None:
    """Process EVENT_ID again, whatever became of it, or every failed event."""
    if (event_id is None) is not failed:
        raise click.UsageError("Give either an event's id or --failed.")
    if event_id is None:
        click.echo(f"{replay.replay_failed_events()} events are processed again")
        return
    replay.replay_event(event_id)
    click.echo(f"{event_id} is processed again")


@click.command("catch-up")
@click.option(
    "--since",
    type=click.DateTime(),
    help="Look back to here (UTC, 30 days at most), or to where the last look ended if that is earlier.",
)
@with_appcontext
@explained
def catch_up_events(since: datetime | None) -> None:
    """Look into Stripe's event lists for what never arrived, and store it as if it had; the schedule does so too."""
    found = catch_up.catch_up(since.replace(tzinfo=UTC) if since else None)
    click.echo(f"{found} events had not arrived")
