"""The migration that brings whole invoices and billing states, on a database with invoices."""

from __future__ import annotations

from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from dashboard.app import create_app
from dashboard.database import db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer

ROWS = """
    INSERT INTO tenants (name, billing_email, created_at) VALUES ('One', 'a@b.c', now()), ('Two', 'd@e.f', now());
    INSERT INTO subscriptions (tenant_id, id, status, created_at, synced_at)
        VALUES (1, 'sub_1', 'active', now(), now());
    INSERT INTO invoices (tenant_id, id, status, currency, subtotal, tax, total, amount_due, amount_paid,
            amount_remaining, period_start, period_end, created_at, synced_at)
        VALUES (1, 'in_1', 'paid', 'usd', 100, 0, 100, 100, 100, 0, now(), now(), now(), now());
    INSERT INTO invoice_lines (tenant_id, invoice_id, position, line_id, amount, period_start, period_end, proration)
        VALUES (1, 'in_1', 0, 'il_1', 100, now(), now(), false)
"""


def test_invoices_wait_to_be_fetched_whole_and_subscribers_to_be_followed(
    stack: Stack, sandbox_server: SandboxServer
) -> None:
    app = create_app(settings_for(stack, sandbox_server, stack.create_database("invoices")))
    with app.app_context():
        upgrade(revision="0006")
        for statement in ROWS.split(";"):
            db.session.execute(text(statement))
        db.session.commit()
        for _ in range(2):
            upgrade(revision="0010")
            invoice = db.session.execute(
                text("SELECT is_whole, taxes, starting_balance, customer_address FROM invoices")
            )
            assert tuple(invoice.one()) == (False, [], 0, None)
            states = db.session.execute(
                text("SELECT tenant_id, access FROM billing_states WHERE stale_since IS NOT NULL")
            )
            assert [tuple(row) for row in states] == [(1, "full")]
            db.session.rollback()
            downgrade(revision="0006")
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()
    stack.drop_database("invoices")
