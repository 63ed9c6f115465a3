"""`flask stripe map-price`: says what a price means that the catalogue does not know."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from dashboard.billing.plans import plan_mapping
from dashboard.cli.common import explained
from dashboard.jobs.prices import settle_prices
from dashboard.wiring import now, unit_of_work


@click.command("map-price")
@click.argument("price_id")
@click.argument("plan")
@click.argument("interval")
@with_appcontext
@explained
def map_price(price_id: str, plan: str, interval: str) -> None:
    """Say that PRICE_ID is the base fee of PLAN, monthly or yearly, and give its subscriptions that plan."""
    with unit_of_work() as session:
        plan_mapping.map_price(session, price_id, plan, interval, mapped_by="command line", now=now())
    settled = settle_prices()
    click.echo(f"{price_id} means {plan}, {interval}. Subscriptions that have their plan now: {settled}")
