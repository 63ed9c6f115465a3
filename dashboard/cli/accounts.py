"""`flask accounts …`: tenants, people, numbers and API keys."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from dashboard.billing.errors import InvalidInput
from dashboard.billing.telephony import inbound
from dashboard.billing.tenants import accounts, api_keys
from dashboard.billing.tenants.audit import Actor, ActorKind, record_audit
from dashboard.cli.common import ID, explained
from dashboard.models import Role, Tenant
from dashboard.wiring import now, unit_of_work

COMMAND_LINE = Actor("command line", ActorKind.SYSTEM)
account_commands = AppGroup("accounts", help="Tenants, people and API keys.")


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
@click.argument("tenant_id", type=ID)
@click.argument("number")
@explained
def assign_number(tenant_id: int, number: str) -> None:
    """Give an E.164 number to a tenant, and record what came in at it before."""
    with unit_of_work() as session:
        tenant = _need_tenant(session, tenant_id)
        recorded = inbound.assign_number(session, tenant, number, now())
        click.echo(f"{number} belongs to tenant {tenant_id}; {recorded} kept webhooks recorded")


@account_commands.command("create-user")
@click.argument("email")
@click.option("--name", required=True)
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.option("--tenant", "tenant_id", type=ID, help="The tenant's id.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value)
@click.option("--staff", is_flag=True, help="A member of staff sees every tenant.")
@explained
def create_user(email: str, name: str, password: str, tenant_id: int | None, role: str, *, staff: bool) -> None:
    """Create a person, as a member of a tenant or as staff."""
    with unit_of_work() as session:
        user = accounts.create_user(session, email=email, name=name, password=password, is_staff=staff, now=now())
        if tenant_id is not None:
            accounts.add_member(session, _need_tenant(session, tenant_id), user, Role(role))
            _write_down(session, tenant_id, "member.joined", user.email)
        click.echo(user.email)


@account_commands.command("create-key")
@click.argument("tenant_id", type=ID)
@click.option("--name", default="default")
@click.option("--scope", "scopes", multiple=True, help="What it may do; repeat for more. Everything when left out.")
@click.option("--expires", type=click.DateTime(), help="When it stops working, UTC.")
@explained
def create_key(tenant_id: int, name: str, scopes: tuple[str, ...], expires: datetime | None) -> None:
    """Create an API key for a tenant's service and print it; it cannot be read again."""
    with unit_of_work() as session:
        key = api_keys.create_api_key(
            session,
            _need_tenant(session, tenant_id).id,
            name,
            now(),
            scopes=scopes or api_keys.ALL_SCOPES,
            expires_at=expires.replace(tzinfo=UTC) if expires else None,
            created_by=COMMAND_LINE.name,
        )
        _write_down(session, tenant_id, "api_key.created", name)
        click.echo(key)


@account_commands.command("list-keys")
@click.argument("tenant_id", type=ID)
@explained
def list_keys(tenant_id: int) -> None:
    """List a tenant's API keys: id, last four, name, scopes and state."""
    moment = now()
    with unit_of_work() as session:
        _need_tenant(session, tenant_id)
        for key in api_keys.list_api_keys(session, tenant_id):
            is_over = key.expires_at is not None and key.expires_at <= moment
            state = "revoked" if key.revoked_at else "expired" if is_over else "active"
            click.echo(f"{key.id}\t…{key.last_four or '????'}\t{key.name}\t{','.join(key.scopes)}\t{state}")


@account_commands.command("revoke-key")
@click.argument("tenant_id", type=ID)
@click.argument("key_id", type=ID)
@explained
def revoke_key(tenant_id: int, key_id: int) -> None:
    """Revoke an API key: calls with it are refused from now on."""
    with unit_of_work() as session:
        key = api_keys.revoke_api_key(session, tenant_id, key_id, now())
        _write_down(session, tenant_id, "api_key.revoked", key.name)
        click.echo(f"{key.name} is revoked")


def _need_tenant(session: Session, tenant_id: int) -> Tenant:
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise InvalidInput("tenant_id", f"there is no tenant {tenant_id}")
    return tenant


def _write_down(session: Session, tenant_id: int, action: str, subject: str) -> None:
    record_audit(session, actor=COMMAND_LINE, tenant_id=tenant_id, action=action, subject=subject, now=now())
