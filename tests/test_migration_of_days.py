"""The migration that brings totals by day, on a database with totals by hour."""

from __future__ import annotations

from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from dashboard.app import create_app
from dashboard.database import db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer

ROWS = """
    INSERT INTO tenants (name, billing_email, created_at) VALUES ('Acme', 'a@b.c', now());
    INSERT INTO usage_rollups (tenant_id, usage_type, bucket_start, quantity, events, last_at, recorded_at)
    SELECT t.id, kind, day + hour, quantity, events, day + hour, day + hour FROM tenants t,
           (VALUES ('SMS_SENT', interval '9 hours', 3, 2), ('SMS_SENT', interval '23 hours', 4, 1),
                   ('STORAGE_USED_MB', interval '1 hour', 70, 1), ('STORAGE_USED_MB', interval '8 hours', 50, 1),
                   ('STORAGE_USED_MB', interval '9 hours', 0, 0)) AS r (kind, hour, quantity, events),
           (VALUES (TIMESTAMPTZ '2026-06-01 00:00:00+00'), (TIMESTAMPTZ '2026-06-02 00:00:00+00')) AS d (day);
"""


def test_days_are_filled_from_the_hours_that_are_there(stack: Stack, sandbox_server: SandboxServer) -> None:
    app = create_app(settings_for(stack, sandbox_server, stack.create_database("days")))
    with app.app_context():
        upgrade(revision="0016")
        db.session.execute(text(ROWS))
        db.session.commit()
        for _ in range(2):
            upgrade(revision="0017")
            query = text(
                "SELECT usage_type, date_part('day', day_start), quantity, events FROM usage_days ORDER BY 1, 2"
            )
            days = [tuple(row) for row in db.session.execute(query)]
            texts, storage = ("SMS_SENT", 7, 3), ("STORAGE_USED_MB", 50, 2)
            assert days == [(kind, day, total, n) for kind, total, n in (texts, storage) for day in (1, 2)]
            db.session.rollback()
            downgrade(revision="-1")
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()
    stack.drop_database("days")
