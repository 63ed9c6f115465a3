"""The webhook inbox: what is fetched for an event, whose it is, events that wait for a customer; meter error reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATE, SOURCE = op.f("ck_stripe_events_state"), op.f("ck_stripe_events_source")


def upgrade() -> None:
    for name in ("subject", "customer_id", "note"):
        op.add_column("stripe_events", sa.Column(name, sa.Text(), nullable=True))
    op.add_column(
        "stripe_events", sa.Column("source", sa.Text(), server_default=sa.text("'delivery'"), nullable=False)
    )
    op.alter_column("stripe_events", "payload", nullable=True)
    op.drop_constraint(STATE, "stripe_events", type_="check")
    op.create_check_constraint(
        STATE, "stripe_events", "state IN ('pending', 'processed', 'ignored', 'waiting', 'failed')"
    )
    op.create_check_constraint(SOURCE, "stripe_events", "source IN ('delivery', 'catch-up')")
    op.execute(
        """
        UPDATE stripe_events
           SET customer_id = CASE WHEN payload #>> '{data,object,object}' = 'customer' THEN object_id
                                  ELSE payload #>> '{data,object,customer}' END,
               subject = CASE WHEN type LIKE 'customer.subscription.%' THEN 'subscription:' || object_id
                              WHEN type LIKE 'invoice.%' THEN 'invoice:' || object_id
                              WHEN type LIKE 'checkout.session.%' THEN 'checkout:' || object_id
                              WHEN type IN ('customer.created', 'customer.updated', 'customer.deleted')
                              THEN 'customer:' || object_id END
        """
    )
    op.execute("UPDATE stripe_events SET state = 'ignored' WHERE state = 'pending' AND subject IS NULL")
    op.drop_index("ix_stripe_events_waiting", "stripe_events")
    op.drop_index("ix_stripe_events_failed", "stripe_events")
    op.create_index(
        "ix_stripe_events_subject", "stripe_events", ["subject"], postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(
        "ix_stripe_events_unsettled",
        "stripe_events",
        ["received_at"],
        postgresql_where=sa.text("state IN ('waiting', 'failed')"),
    )
    op.create_index(
        "ix_stripe_events_kept",
        "stripe_events",
        ["received_at", "id"],
        postgresql_where=sa.text("payload IS NOT NULL"),
    )
    op.create_index(
        "ix_stripe_events_customer",
        "stripe_events",
        ["customer_id"],
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    op.create_index(
        "ix_stripe_events_noted", "stripe_events", ["received_at"], postgresql_where=sa.text("note IS NOT NULL")
    )
    op.create_table(
        "stripe_catch_ups",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stripe_catch_ups")),
    )
    op.create_table(
        "meter_error_reports",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("meter_id", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_meter_error_reports")),
    )
    op.create_index("ix_meter_error_reports_window", "meter_error_reports", ["window_end"])


def downgrade() -> None:
    op.drop_table("meter_error_reports")
    op.drop_table("stripe_catch_ups")
    for name in ("noted", "customer", "kept", "unsettled", "subject"):
        op.drop_index(f"ix_stripe_events_{name}", "stripe_events")
    op.execute("UPDATE stripe_events SET state = 'pending' WHERE state = 'waiting'")
    op.execute("UPDATE stripe_events SET payload = '{}' WHERE payload IS NULL")
    op.drop_constraint(SOURCE, "stripe_events", type_="check")
    op.drop_constraint(STATE, "stripe_events", type_="check")
    op.create_check_constraint(STATE, "stripe_events", "state IN ('pending', 'processed', 'ignored', 'failed')")
    op.create_index(
        "ix_stripe_events_waiting", "stripe_events", ["object_id"], postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(
        "ix_stripe_events_failed", "stripe_events", ["received_at"], postgresql_where=sa.text("state = 'failed'")
    )
    op.alter_column("stripe_events", "payload", nullable=False)
    for name in ("source", "note", "customer_id", "subject"):
        op.drop_column("stripe_events", name)
