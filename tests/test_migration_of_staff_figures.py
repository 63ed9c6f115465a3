"""The migration that brings each tenant's actions of its period, on a database with totals by type."""

from __future__ import annotations

from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from dashboard.app import create_app
from dashboard.database import db
from embedded.stack import Stack
from tests.conftest import settings_for
from tests.sandbox_server import SandboxServer

# A type that was not used since has a total of an earlier period.
ROWS = """
    INSERT INTO tenants (name, billing_email, created_at) VALUES ('Acme', 'a@b.c', now()), ('Quiet', 'q@b.c', now());
    INSERT INTO tenant_usage_totals (tenant_id, usage_type, day, day_quantity, day_events, month, month_quantity,
                                     month_events, period_start, period_end, period_quantity, period_events,
                                     refreshed_at)
    SELECT t.id, kind, DATE '2026-06-09', 0, 0, DATE '2026-06-01', 0, 0, period, period + interval '1 month', 0, events,
           now()
      FROM tenants t, (VALUES ('SMS_SENT', TIMESTAMPTZ '2026-06-05 00:00:00+00', 7),
                              ('CALL_MADE', TIMESTAMPTZ '2026-06-05 00:00:00+00', 4),
                              ('AI_MESSAGE_GENERATED', TIMESTAMPTZ '2026-05-05 00:00:00+00', 900))
             AS r (kind, period, events)
     WHERE t.name = 'Acme';
"""


def test_actions_are_filled_from_the_totals_of_the_newest_period(stack: Stack, sandbox_server: SandboxServer) -> None:
    app = create_app(settings_for(stack, sandbox_server, stack.create_database("staff_figures")))
    with app.app_context():
        upgrade(revision="0018")
        db.session.execute(text(ROWS))
        db.session.commit()
        for _ in range(2):
            upgrade(revision="0019")
            query = text(
                "SELECT name, date_part('month', period_end), events"
                "  FROM tenant_period_events JOIN tenants ON id = tenant_id"
            )
            assert [tuple(row) for row in db.session.execute(query)] == [("Acme", 7, 11)]
            db.session.rollback()
            downgrade(revision="-1")
        db.session.remove()
        db.engine.dispose()
    app.extensions["countinghouse"].redis.close()
    stack.drop_database("staff_figures")
