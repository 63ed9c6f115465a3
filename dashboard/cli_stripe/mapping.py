"""`flask stripe map-price`: says what a price means that the catalogue does not know."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from dashboard.cli_errors import explained
from dashboard.jobs.prices import record_price_mapping


@click.command("map-price")
@click.argument("price_id")
@click.argument("plan")
@click.argument("interval")
@with_appcontext
@explained
def map_price(price_id: str, plan: str, interval: str) -> None:
    """Say that PRICE_ID is the base fee of PLAN, monthly or yearly, and give its subscriptions that plan."""
    settled = record_price_mapping(price_id, plan, interval, mapped_by="command line")
    click.echo(f"{price_id} means {plan}, {interval}; {settled} subscriptions have their plan now")
