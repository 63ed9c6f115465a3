"""Scopes and life of API keys, the meter sync of one tenant, and an index of usage that came late."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What the keys of before could do: everything there was.
ALL_SCOPES = (
    "usage:write",
    "usage:read",
    "messages:send",
    "calls:make",
    "sync:run",
    "webhooks:manage",
    "billing:read",
)


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("last_four", sa.Text(), nullable=True))
    everything = "{" + ",".join(ALL_SCOPES) + "}"
    op.add_column(
        "api_keys",
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default=everything, nullable=False),
    )
    op.alter_column("api_keys", "scopes", server_default=None)
    op.add_column("api_keys", sa.Column("created_by", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))

    op.add_column("sync_runs", sa.Column("tenant_id", sa.BigInteger(), nullable=True))
    op.drop_index("ux_sync_runs_one_live", table_name="sync_runs")
    op.create_index(
        "ux_sync_runs_one_live",
        "sync_runs",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
        postgresql_nulls_not_distinct=True,
    )

    op.create_index(
        "ix_billing_usage_late",
        "billing_usage",
        ["tenant_id", "occurred_at"],
        unique=False,
        postgresql_where=sa.text("recorded_at - occurred_at > interval '1 hour'"),
    )


def downgrade() -> None:
    op.drop_index("ix_billing_usage_late", table_name="billing_usage")
    op.drop_index("ux_sync_runs_one_live", table_name="sync_runs")
    op.execute(
        "UPDATE sync_runs SET state = 'failed', error = 'Ended by a downgrade of the database.'"
        " WHERE tenant_id IS NOT NULL AND state IN ('queued', 'running')"
    )
    op.create_index(
        "ux_sync_runs_one_live",
        "sync_runs",
        [sa.text("(true)")],
        unique=True,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_column("sync_runs", "tenant_id")
    for column in ("expires_at", "last_used_at", "created_by", "scopes", "last_four"):
        op.drop_column("api_keys", column)
