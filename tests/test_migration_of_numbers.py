"""The migration that brings phone numbers, on a database with tenants."""

from __future__ import annotations

from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from dashboard.app import create_app
from dashboard.database import db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer


def test_senders_become_numbers_and_a_shared_one_belongs_to_the_first_tenant(
    stack: Stack, sandbox_server: SandboxServer
) -> None:
    app = create_app(settings_for(stack, sandbox_server, stack.create_database("numbers")))
    with app.app_context():
        upgrade(revision="0002")
        insert = (
            "INSERT INTO tenants (name, billing_email, sms_from, created_at) VALUES (:name, 'a@b.c', :number, now())"
        )
        senders = {"One": "+15005550001", "Two": "+15005550001", "Three": None, "Four": "+15005550004"}
        for name, number in senders.items():
            db.session.execute(text(insert), {"name": name, "number": number})
        db.session.commit()
        for _ in range(2):
            upgrade(revision="0003")
            rows = db.session.execute(
                text("SELECT number, name FROM phone_numbers n JOIN tenants t ON t.id = n.tenant_id ORDER BY number")
            ).all()
            assert [tuple(row) for row in rows] == [("+15005550001", "One"), ("+15005550004", "Four")]
            db.session.rollback()
            downgrade(revision="0002")
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()
    stack.drop_database("numbers")
