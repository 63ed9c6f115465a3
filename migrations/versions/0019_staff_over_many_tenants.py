"""Staff's pages over many tenants: tenants by plan, usage of all, each tenant's actions kept ready; indexes for lists."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
OWING = sa.text("access <> 'full' OR delinquent_since IS NOT NULL")

# What the job would have written with the last totals.
_PERIOD_EVENTS = """
    INSERT INTO tenant_period_events (tenant_id, period_start, period_end, events)
    SELECT DISTINCT ON (tenant_id) tenant_id, period_start, period_end, sum(period_events)
      FROM tenant_usage_totals GROUP BY tenant_id, period_start, period_end
     ORDER BY tenant_id, period_start DESC, period_end DESC
"""


def upgrade() -> None:
    op.create_table(
        "tenant_period_events",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", TIME, nullable=False),
        sa.Column("period_end", TIME, nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_tenant_period_events_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_period_events")),
    )
    op.execute(_PERIOD_EVENTS)
    op.create_index("ix_tenant_period_events_most", "tenant_period_events", [sa.text("events DESC"), "tenant_id"])
    op.create_table(
        "staff_plan_counts",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tenants", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("plan", "state", name=op.f("pk_staff_plan_counts")),
    )
    op.create_table(
        "staff_usage_totals",
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("day_quantity", sa.BigInteger(), nullable=False),
        sa.Column("day_events", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("month_quantity", sa.BigInteger(), nullable=False),
        sa.Column("month_events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("usage_type", name=op.f("pk_staff_usage_totals")),
    )
    op.create_index("ix_tenants_name", "tenants", [sa.text("lower(name)"), "id"])
    op.create_index(
        "ix_billing_states_owing", "billing_states", ["delinquent_since", "tenant_id"], postgresql_where=OWING
    )


def downgrade() -> None:
    op.drop_index("ix_billing_states_owing", "billing_states")
    op.drop_index("ix_tenants_name", "tenants")
    for table in ("staff_usage_totals", "staff_plan_counts", "tenant_period_events"):
        op.drop_table(table)
