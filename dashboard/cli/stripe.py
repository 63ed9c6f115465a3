"""`flask stripe …`: the catalogue at Stripe."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from dashboard.cli.common import explained
from dashboard.integrations.stripe.catalog_setup import set_up_catalog, set_up_webhook
from dashboard.wiring import unit_of_work, wiring

stripe_commands = AppGroup("stripe", help="The catalogue at Stripe.")


@stripe_commands.command("setup")
@click.option("--webhook", is_flag=True, help="Register our webhook endpoint too, at PUBLIC_URL.")
@explained
def stripe_setup(*, webhook: bool) -> None:
    """Create products, prices and meters at Stripe (or find them again) and print the environment lines."""
    parts = wiring()
    with unit_of_work() as session:
        lines = set_up_catalog(session, parts.stripe_client, parts.pins)
    if webhook:
        endpoint = f"{parts.settings.public_url}/api/billing/webhook"
        secret = set_up_webhook(parts.stripe_client, endpoint)
        if secret:
            lines.append(secret)
        else:
            click.echo(f"# {endpoint} was registered before; its secret can be read in Stripe's dashboard", err=True)
    for line in lines:
        click.echo(f"{line.name}={line.value}")
