"""`flask stripe setup`: shows what differs between catalogue and Stripe, does it, or checks that nothing does."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import with_appcontext

from dashboard.cli.common import explained
from dashboard.cli.stripe.environment_file import write_environment
from dashboard.cli.stripe.table import show_steps
from dashboard.integrations.stripe.catalog_setup import Setup, SetupImpossible, plan_setup
from dashboard.wiring import session, unit_of_work, wiring

LIVE = ("sk_live_", "rk_live_")
CHANGES_AHEAD = 2
with_webhook = click.option(
    "--webhook", is_flag=True, help="Our webhook endpoint and event destination too, at PUBLIC_URL."
)
may_be_live = click.option("--live", is_flag=True, help="Say that the key is live: real products, real prices.")
into_file = click.option(
    "--write-env",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Put the environment's lines into this file, readable by its owner alone, instead of printing them.",
)


@click.group("setup", invoke_without_command=True)
@with_webhook
@may_be_live
@into_file
@click.pass_context
@with_appcontext
@explained
def setup(context: click.Context, *, webhook: bool, live: bool, write_env: Path | None) -> None:
    """Products, prices, meters and features of the catalogue at Stripe. Without a further word: apply."""
    if context.invoked_subcommand is None:
        _apply(webhook=webhook, live=live, write_env=write_env)


@setup.command("plan")
@with_webhook
@with_appcontext
@explained
def plan(*, webhook: bool) -> None:
    """Show what apply would do, and do nothing.

    Exit status: 0 nothing is to be done, 2 there are changes ahead, 1 something is wrong.
    """
    setup = _plan(webhook=webhook)
    show_steps(setup.steps)
    sys.exit(CHANGES_AHEAD if setup.changes else 0)


@setup.command("apply")
@with_webhook
@may_be_live
@into_file
@with_appcontext
@explained
def apply(*, webhook: bool, live: bool, write_env: Path | None) -> None:
    """Do what plan shows, and print the lines to put into the environment.

    Run it again after a failure: it goes on where it stopped.
    """
    _apply(webhook=webhook, live=live, write_env=write_env)


@setup.command("verify")
@with_appcontext
@explained
def verify() -> None:
    """Check that Stripe, our tables and what sends us events are as the catalogue says. Exit status 1 where not."""
    problems = _plan(webhook=True).problems
    if problems:
        show_steps(problems)
        sys.exit(1)
    click.echo("Stripe is as the catalogue says.")


def _plan(*, webhook: bool) -> Setup:
    parts = wiring()
    url = f"{parts.settings.public_url}/api/billing/webhook" if webhook else None
    known = parts.settings.stripe_webhook_secrets
    try:
        return plan_setup(session(), parts.stripe_client, parts.pins, webhook_url=url, known_secrets=known)
    except SetupImpossible as error:
        raise click.ClickException(str(error)) from error


def _apply(*, webhook: bool, live: bool, write_env: Path | None) -> None:
    key = wiring().settings.stripe_secret_key.get_secret_value()
    if key.startswith(LIVE) and not live:
        raise click.ClickException("STRIPE_SECRET_KEY is a live key: add --live if real prices are to be changed.")
    with unit_of_work():
        setup = _plan(webhook=webhook)
        if setup.changes:
            show_steps(setup.changes, err=True)
        setup.run()
    lines = [(line.name, line.value) for line in setup.lines()]
    if write_env:
        write_environment(write_env, lines)
        click.echo(f"# {len(lines)} lines written to {write_env}", err=True)
    else:
        for name, value in lines:
            click.echo(f"{name}={value}")
    setup.hand_over()
    if webhook and not setup.new_secrets:
        click.echo("# what sends us events was there before: the secrets can be read in Stripe's dashboard", err=True)
