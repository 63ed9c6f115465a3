"""The operator's commands: flask accounts …, flask billing …, flask stripe …, flask usage …"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from flask import Flask
from flask.cli import AppGroup

from dashboard.billing import accounts, api_keys, inbound, rollups
from dashboard.billing.errors import InvalidInput, NotFound
from dashboard.billing.ports import ProviderRefused, ProviderUnavailable
from dashboard.cli_usage import import_usage
from dashboard.cli_webhooks import catch_up_events, replay_events
from dashboard.integrations.stripe.catalog_setup import set_up_catalog, set_up_webhook
from dashboard.jobs.metering import start_sync
from dashboard.jobs.storage import measure_storage
from dashboard.models import Role, Tenant, User
from dashboard.wiring import now, unit_of_work, wiring

P = ParamSpec("P")
R = TypeVar("R")

account_commands = AppGroup("accounts", help="Tenants, people and API keys.")
billing_commands = AppGroup("billing", help="What is owed to Stripe.")
stripe_commands = AppGroup("stripe", help="The catalogue at Stripe.")
usage_commands = AppGroup("usage", help="The usage ledger.")
usage_commands.add_command(import_usage)
stripe_commands.add_command(replay_events)
stripe_commands.add_command(catch_up_events)


def register(app: Flask) -> None:
    """Add the command groups."""
    for group in (account_commands, billing_commands, stripe_commands, usage_commands):
        app.cli.add_command(group)


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Show what is wrong in one line instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (InvalidInput, NotFound, ProviderRefused, ProviderUnavailable) as error:
            raise click.ClickException(str(error)) from error

    return run


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


@account_commands.command("create-tenant")
@click.argument("name")
@click.option("--email", required=True, help="Where invoices go.")
@click.option("--sms-from", help="The E.164 number its texts come from.")
@explained
def create_tenant(name: str, email: str, sms_from: str | None) -> None:
    """Create a tenant and print its id."""
    with unit_of_work() as session:
        tenant = accounts.create_tenant(session, name=name, billing_email=email, sms_from=sms_from, now=now())
        click.echo(str(tenant.id))


@account_commands.command("assign-number")
@click.argument("tenant_id", type=int)
@click.argument("number")
@explained
def assign_number(tenant_id: int, number: str) -> None:
    """Give an E.164 number to a tenant, and record what came in at it before."""
    with unit_of_work() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None:
            raise InvalidInput("tenant_id", f"there is no tenant {tenant_id}")
        recorded = inbound.assign_number(session, tenant, number, now())
        click.echo(f"{number} belongs to tenant {tenant_id}; {recorded} kept webhooks recorded")


@account_commands.command("create-user")
@click.argument("email")
@click.option("--name", required=True)
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--tenant", "tenant_id", type=int, help="The tenant's id.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value)
@click.option("--staff", is_flag=True, help="A member of staff sees every tenant.")
@explained
def create_user(email: str, name: str, password: str, tenant_id: int | None, role: str, *, staff: bool) -> None:
    """Create a person, as a member of a tenant or as staff."""
    with unit_of_work() as session:
        user: User = accounts.create_user(session, email=email, name=name, password=password, is_staff=staff, now=now())
        if tenant_id is not None:
            tenant = session.get(Tenant, tenant_id)
            if tenant is None:
                raise InvalidInput("tenant", f"there is no tenant {tenant_id}")
            accounts.add_member(session, tenant, user, Role(role))
        click.echo(user.email)


@account_commands.command("create-key")
@click.argument("tenant_id", type=int)
@click.option("--name", default="default")
@click.option("--scope", "scopes", multiple=True, help="What it may do; repeat for more. Everything when left out.")
@click.option("--expires", type=click.DateTime(), help="When it stops working, UTC.")
@explained
def create_key(tenant_id: int, name: str, scopes: tuple[str, ...], expires: datetime | None) -> None:
    """Create an API key for a tenant's service and print it; it cannot be read again."""
    with unit_of_work() as session:
        if session.get(Tenant, tenant_id) is None:
            raise InvalidInput("tenant_id", f"there is no tenant {tenant_id}")
        key = api_keys.create_api_key(
            session,
            tenant_id,
            name,
            now(),
            scopes=scopes or api_keys.ALL_SCOPES,
            expires_at=expires.replace(tzinfo=UTC) if expires else None,
            created_by="command line",
        )
        click.echo(key)


@account_commands.command("list-keys")
@click.argument("tenant_id", type=int)
def list_keys(tenant_id: int) -> None:
    """List a tenant's API keys: id, last four, name, scopes and state."""
    with unit_of_work() as session:
        for key in api_keys.list_api_keys(session, tenant_id):
            state = "revoked" if key.revoked_at else "active"
            click.echo(f"{key.id}\t…{key.last_four or '????'}\t{key.name}\t{','.join(key.scopes)}\t{state}")


@account_commands.command("revoke-key")
@click.argument("tenant_id", type=int)
@click.argument("key_id", type=int)
@explained
def revoke_key(tenant_id: int, key_id: int) -> None:
    """Revoke an API key: calls with it are refused from now on."""
    with unit_of_work() as session:
        key = api_keys.revoke_api_key(session, tenant_id, key_id, now())
        click.echo(f"{key.name} is revoked")


@billing_commands.command("sync")
def billing_sync() -> None:
    """Ask the worker for a meter sync of all tenants."""
    click.echo(f"sync {start_sync('command line')} is queued")


@usage_commands.command("verify")
def usage_verify() -> None:
    """Rebuild every rollup aside and compare it with the stored one; exit 1 on any difference."""
    with unit_of_work() as session:
        differences = rollups.verify_rollups(session)
    for each in differences:
        click.echo(
            f"tenant {each.tenant_id} {each.usage_type} {each.bucket_start.isoformat()}: "
            f"ledger {each.ledger}, rollup {each.rollup}"
        )
    click.echo(f"{len(differences)} differences")
    sys.exit(1 if differences else 0)


@usage_commands.command("measure-storage")
def usage_measure_storage() -> None:
    """Take today's (UTC) storage reading of every tenant that has none; the schedule does so by itself."""
    click.echo(f"{measure_storage(now())} tenants measured")
