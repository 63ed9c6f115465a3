"""The migration that brings the prices of subscriptions, on a database with subscriptions."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from dashboard.app import create_app
from dashboard.database import Base, db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer

ROWS = """
    INSERT INTO tenants (name, billing_email, created_at) VALUES ('Acme', 'a@b.c', now());
    INSERT INTO subscriptions (tenant_id, id, status, created_at, synced_at)
    SELECT id, 'sub_1', 'active', now(), now() FROM tenants;
"""
BROUGHT = ("price_mappings", "price_ids", "ix_subscriptions_unknown_prices")


def test_subscriptions_that_are_there_have_no_known_prices_yet(stack: Stack, sandbox_server: SandboxServer) -> None:
    app = create_app(settings_for(stack, sandbox_server, stack.create_database("catalogue")))
    with app.app_context():
        upgrade(revision="0006")
        db.session.execute(text(ROWS))
        db.session.commit()
        for _ in range(2):
            upgrade(revision="0007")
            rows = db.session.execute(text("SELECT id, price_ids, unknown_price_ids FROM subscriptions")).all()
            assert [tuple(row) for row in rows] == [("sub_1", [], [])]
            db.session.rollback()
            downgrade(revision="0006")
        upgrade()
        with db.engine.connect() as connection:
            found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        told = [each for each in found if any(name in repr(each) for name in BROUGHT)]
        assert told == []
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()
    stack.drop_database("catalogue")
