"""Staff's views of tenants, figures over all tenants kept ready, and indexes for what staff look through."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
FAILED = sa.text("state = 'failed'")
NAMED = sa.text("customer_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "staff_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("stopped_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_staff_views_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_views")),
    )
    op.create_index(
        "ux_staff_views_live", "staff_views", ["user_id"], unique=True, postgresql_where=sa.text("stopped_at IS NULL")
    )
    counts = ("day_quantity", "day_events", "month_quantity", "month_events", "period_quantity", "period_events")
    times = ("period_start", "period_end", "refreshed_at")
    op.create_table(
        "tenant_usage_totals",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        *(sa.Column(name, TIME, nullable=False) for name in times),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_usage_totals_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "usage_type", name=op.f("pk_tenant_usage_totals")),
    )
    op.create_table(
        "staff_counts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_staff_counts")),
    )
    op.create_index(
        "ix_webhook_deliveries_failed",
        "webhook_deliveries",
        ["tenant_id", "endpoint_id", "id"],
        postgresql_where=FAILED,
    )
    op.create_index(
        "ix_billing_usage_corrections_came",
        "billing_usage",
        ["tenant_id", "recorded_at"],
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    # With the time in it, a tenant's newest events are read without its others.
    op.create_index(
        "ix_stripe_events_customer_time", "stripe_events", ["customer_id", "received_at"], postgresql_where=NAMED
    )
    op.drop_index("ix_stripe_events_customer", "stripe_events")


def downgrade() -> None:
    op.create_index("ix_stripe_events_customer", "stripe_events", ["customer_id"], postgresql_where=NAMED)
    op.drop_index("ix_stripe_events_customer_time", "stripe_events")
    op.drop_index("ix_billing_usage_corrections_came", "billing_usage")
    op.drop_index("ix_webhook_deliveries_failed", "webhook_deliveries")
    for table in ("staff_counts", "tenant_usage_totals", "staff_views"):
        op.drop_table(table)
