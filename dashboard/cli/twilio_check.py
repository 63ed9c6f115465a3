"""`flask usage check-twilio`: a day's texts and calls against Twilio's own records."""

from __future__ import annotations

import sys
from datetime import timedelta

import click
from flask.cli import with_appcontext

from dashboard.billing.errors import InvalidInput
from dashboard.billing.telephony_check.comparison import DayComparison, Difference
from dashboard.billing.telephony_check.results import need_past_day
from dashboard.cli.common import explained
from dashboard.jobs.telephony_check import compare_day
from dashboard.wiring import now

UNITS = {"text": "segments", "call": "seconds"}


@click.command("check-twilio")
@click.option("--day", metavar="YYYY-MM-DD", help="A past day in UTC; yesterday unless given.")
@with_appcontext
@explained
def check_twilio_usage(day: str | None) -> None:
    """Compare a day's segments and call seconds with Twilio's records; exit 1 on any difference.

    The schedule does so each night for the three days before.
    """
    today = now().date()
    try:
        wanted = need_past_day(day or str(today - timedelta(days=1)), today, "--day")
    except InvalidInput as error:
        raise click.UsageError(str(error)) from error
    comparison = compare_day(wanted)
    _tell(comparison)
    sys.exit(1 if comparison.differences else 0)


def _tell(comparison: DayComparison) -> None:
    figures = comparison.figures
    click.echo(f"{comparison.day}")
    click.echo(
        f"texts {figures.texts:,}; segments ours {figures.segments_ours:,}, Twilio's {figures.segments_theirs:,}"
    )
    click.echo(f"calls {figures.calls:,}; seconds ours {figures.seconds_ours:,}, Twilio's {figures.seconds_theirs:,}")
    if figures.undecided:
        click.echo(f"not decided at Twilio yet: {figures.undecided:,}")
    click.echo(f"differences: {len(comparison.differences):,}")
    for each in sorted(comparison.differences, key=lambda each: each.sid):
        click.echo(f"  {each.sid} {_whose(each)}: {_said(each.ours)} here, {_said(each.theirs)} at Twilio")


def _whose(difference: Difference) -> str:
    who = f"tenant {difference.tenant_id}" if difference.tenant_id else f"nobody's number {difference.number}"
    return f"{who}, {UNITS[difference.kind]}"


def _said(quantity: int | None) -> str:
    return "no record" if quantity is None else f"{quantity:,}"
