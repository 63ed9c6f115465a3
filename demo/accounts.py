"""The demo's tenants, people and keys."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path

from flask import Flask

from dashboard.billing.tenants import accounts, api_keys
from dashboard.models import Role
from dashboard.wiring import unit_of_work


@dataclass(frozen=True, slots=True)
class Login:
    """One account and its password."""

    role: str
    email: str
    password: str


@dataclass(slots=True)
class DemoTenant:
    """One tenant of the demo: what it buys and how busy it is (texts a working day)."""

    slug: str
    name: str
    domain: str
    sms_from: str
    plan: str
    first_day: int
    texts_a_day: int
    people: list[tuple[Role, str]]
    id: int = 0
    since: date = date.min
    key: str = ""
    logins: list[Login] = field(default_factory=list)


def demo_tenants() -> list[DemoTenant]:
    """Three tenants: two that stay, one that ends its subscription, so that a plan can be bought in the demo."""
    return [
        DemoTenant(
            "northwind-clinics",
            "Northwind Clinics",
            "northwind.example",
            "+15005550101",
            "starter",
            1,
            6,
            [(Role.OWNER, "Olivia Brandt"), (Role.ADMIN, "Amir Haddad"), (Role.VIEWER, "Vera Lindqvist")],
        ),
        DemoTenant(
            "harbor-logistics",
            "Harbor Logistics",
            "harbor.example",
            "+15005550102",
            "professional",
            2,
            4,
            [(Role.OWNER, "Oscar Nguyen")],
        ),
        DemoTenant(
            "juniper-studio",
            "Juniper Studio",
            "juniper.example",
            "+15005550103",
            "starter",
            3,
            2,
            [(Role.OWNER, "Ines Moreau")],
        ),
    ]


STAFF = "Sam Okafor"


def create_accounts(app: Flask, now: datetime) -> tuple[list[DemoTenant], Login]:
    """Create tenants, people and keys as the operator's commands do. Answers them and the staff login."""
    tenants = demo_tenants()
    with app.app_context(), unit_of_work() as session:
        for demo in tenants:
            tenant = accounts.create_tenant(
                session, name=demo.name, billing_email=f"billing@{demo.domain}", sms_from=demo.sms_from, now=now
            )
            demo.id, demo.since = tenant.id, now.date()
            demo.key = api_keys.create_api_key(session, tenant.id, "platform", now)
            for role, name in demo.people:
                login = _new_login(role.value, name, demo.domain)
                user = accounts.create_user(session, email=login.email, name=name, password=login.password, now=now)
                accounts.add_member(session, tenant, user, role)
                demo.logins.append(login)
        staff = _new_login("staff", STAFF, "countinghouse.example")
        accounts.create_user(session, email=staff.email, name=STAFF, password=staff.password, is_staff=True, now=now)
    return tenants, staff


def _new_login(role: str, name: str, domain: str) -> Login:
    return Login(role, f"{name.split()[0].lower()}@{domain}", secrets.token_urlsafe(9))


def write_card(path: Path, tenants: list[DemoTenant], staff: Login, credit: str) -> None:
    """Keep what the demo prints, readable by this user only. Its presence says that the history is whole."""
    card = {
        "logins": [asdict(login) for tenant in tenants for login in tenant.logins] + [asdict(staff)],
        "keys": [{"tenant": tenant.slug, "key": tenant.key} for tenant in tenants],
        "credit": credit,
    }
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(card, indent=1))
    draft.rename(path)


def card_lines(path: Path) -> list[str]:
    """`login ROLE EMAIL PASSWORD` for each account and `api-key TENANT KEY` for each tenant."""
    card = json.loads(path.read_text())
    logins = [f"login {login['role']} {login['email']} {login['password']}" for login in card["logins"]]
    return logins + [f"api-key {key['tenant']} {key['key']}" for key in card["keys"]]
