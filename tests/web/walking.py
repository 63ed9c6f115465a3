"""Every route there is, a world in which each leads somewhere, and the parameters that a view really reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.wrappers import Request
from sqlalchemy import text
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import Rule

from dashboard.billing.tenants import api_keys
from dashboard.billing.tenants.api_keys import ALL_SCOPES
from dashboard.database import db
from dashboard.models import Role
from dashboard.wiring import now, unit_of_work
from tests.factories import make_user
from tests.web.staff.scenes import make_eventful_tenant

# In every text that somebody outside can write: escaped it harms nobody.
SCRIPT = "<script>alert('x')</script>"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class World:
    """A tenant with something behind every address of its own, and a key of it that may do everything."""

    tenant_id: int
    key: str
    ids: dict[str, object]

    def address(self, rule: Rule, **other: object) -> str:
        """The rule's address in this world; `other` replaces parts of it.

        Raises `LookupError` for a part that the world does not know.
        """
        values = {}
        for name in rule.arguments - set(rule.defaults or {}):
            if name not in {**self.ids, **other}:
                raise LookupError(f"say in tests/web/walking.py what <{name}> of {rule.rule} is in the tests' world")
            values[name] = {**self.ids, **other}[name]
        _, path = rule.build(values) or ("", "")
        return path


def make_world(name: str = f"Acme {SCRIPT}") -> World:
    """A stored world. Texts that people write hold script."""
    with unit_of_work() as session:
        tenant = make_eventful_tenant(session, name)
        eve = make_user(session, tenant, Role.VIEWER, name=f"Eve {SCRIPT}").id
        key = api_keys.create_api_key(session, tenant.id, f"Key {SCRIPT}", now(), scopes=list(ALL_SCOPES))
        tenant_id = tenant.id
        _spoil(session.connection(), tenant_id)
    return World(tenant_id, key, {**ids_of(tenant_id), "user_id": eve})


def _spoil(connection: Any, tenant_id: int) -> None:
    spoiled = {
        "invoices": "customer_name",
        "usage_imports": "file_name",
        "usage_caps": "set_by",
        "meter_events": "error",
        "invoice_payment_attempts": "failure_message",
    }
    for table, column in spoiled.items():
        where = {"script": SCRIPT, "tenant_id": tenant_id}
        connection.execute(text(f"UPDATE {table} SET {column} = :script WHERE tenant_id = :tenant_id"), where)
    connection.execute(text("UPDATE stripe_events SET type = :script"), {"script": f"invoice.{SCRIPT}"})


def ids_of(tenant_id: int) -> dict[str, object]:
    """What stands in addresses. Other things there are named here by their table."""
    tables = {
        "endpoint_id": "webhook_endpoints",
        "delivery_id": "webhook_deliveries",
        "key_id": "api_keys",
        "invoice_id": "invoices",
        "event_id": "billing_usage",
    }
    db.session.rollback()
    ids: dict[str, object] = {
        name: db.session.scalar(text(f"SELECT min(id) FROM {table} WHERE tenant_id = :t"), {"t": tenant_id})
        for name, table in tables.items()
    }
    ids |= {name: db.session.scalar(text("SELECT min(id) FROM sync_runs")) for name in ("sync_id", "run_id")}
    made_up: dict[str, object] = dict.fromkeys(
        ("call_id", "message_id", "invitation_id", "proposal_id", "position", "finding_id"), 1
    )
    made_up |= {
        "method_id": "pm_none",
        "job_id": "none",
        "key": "none",
        "token": "none",
        "day": "2026-06-15",
        "period": "none",
    }
    return {
        "tenant_id": tenant_id,
        "usage_type": "SMS_SENT",
        "filename": "favicon.svg",
        "page": "usage",
        **made_up,
        **ids,
    }


def rules(app: Flask, method: str = "") -> list[Rule]:
    """Every route, or those that a method has."""
    found = [rule for rule in app.url_map.iter_rules() if not method or method in (rule.methods or ())]
    return sorted(found, key=lambda rule: (rule.endpoint, rule.rule))


def methods_of(rule: Rule) -> list[str]:
    """What a route answers, without what Flask adds."""
    return [method for method in METHODS if method in (rule.methods or ())]


class Noted(ImmutableMultiDict[str, str]):
    """A query or form that remembers what was asked of it."""

    asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(key)
        return super().get(key, *args, **kwargs)

    def getlist(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.add(key)
        return super().getlist(key, *args, **kwargs)


@contextmanager
def noting_parameters(app: Flask) -> Iterator[set[str]]:
    """The names of all parameters that views ask for within the block; empty it between two requests."""

    class NotingRequest(app.request_class):  # type: ignore[misc, name-defined]
        parameter_storage_class = Noted

    usual: type[Request] = app.request_class
    app.request_class = NotingRequest
    Noted.asked.clear()
    try:
        yield Noted.asked
    finally:
        app.request_class = usual


def documented_parameters(app: Flask) -> dict[str, set[str]]:
    """What the API's views take in the query, by endpoint: they read it as a whole."""
    found: dict[str, set[str]] = {}
    for endpoint, view in app.view_functions.items():
        for model, place in getattr(view, "_spec", {}).get("args", ()):
            if place == "query":
                names = {field.alias or name for name, field in model.model_fields.items()}
                found.setdefault(endpoint, set()).update(names)
    return found
