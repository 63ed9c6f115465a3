"""Syncs of some usage types, that can be canceled; days compared with Twilio's records; ticks of the schedule."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FIGURES = (
    "texts",
    "segments_ours",
    "segments_theirs",
    "calls",
    "seconds_ours",
    "seconds_theirs",
    "undecided",
    "differences",
)

STATE = op.f("ck_sync_runs_state")
LIVE = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("sync_runs", sa.Column("usage_types", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column(
        "sync_runs",
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("sync_runs", sa.Column("canceled_by", sa.Text(), nullable=True))
    op.add_column("sync_runs", sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(STATE, "sync_runs", type_="check")
    op.create_check_constraint(
        STATE, "sync_runs", "state IN ('queued', 'running', 'complete', 'failed', 'canceled')"
    )
    op.drop_index("ux_sync_runs_one_live", table_name="sync_runs")
    op.create_index(
        "ux_sync_runs_one_live",
        "sync_runs",
        ["tenant_id", "usage_types"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=LIVE,
    )
    op.create_index("ix_sync_runs_tenant", "sync_runs", ["tenant_id", "id"])
    op.create_table(
        "telephony_checks",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in FIGURES),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_telephony_checks")),
    )
    op.create_table(
        "telephony_differences",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("ours", sa.BigInteger(), nullable=True),
        sa.Column("theirs", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('text', 'call')", name=op.f("ck_telephony_differences_kind")),
        sa.CheckConstraint(
            "reason IN ('missing_here', 'missing_there', 'different')", name=op.f("ck_telephony_differences_reason")
        ),
        sa.ForeignKeyConstraint(
            ["day"], ["telephony_checks.day"], name=op.f("fk_telephony_differences_day"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("day", "sid", name=op.f("pk_telephony_differences")),
    )
    op.create_table(
        "schedule_ticks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tick_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedule_ticks")),
    )


def downgrade() -> None:
    op.drop_table("schedule_ticks")
    op.drop_table("telephony_differences")
    op.drop_table("telephony_checks")
    op.drop_index("ix_sync_runs_tenant", table_name="sync_runs")
    op.drop_index("ux_sync_runs_one_live", table_name="sync_runs")
    op.execute(
        "UPDATE sync_runs SET state = 'failed', error = 'Ended by a downgrade of the database.'"
        " WHERE state = 'canceled' OR state IN ('queued', 'running') AND usage_types IS NOT NULL"
    )
    op.drop_constraint(STATE, "sync_runs", type_="check")
    op.create_check_constraint(STATE, "sync_runs", "state IN ('queued', 'running', 'complete', 'failed')")
    op.create_index(
        "ux_sync_runs_one_live",
        "sync_runs",
        ["tenant_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=LIVE,
    )
    for name in ("sending_at", "canceled_by", "cancel_requested", "usage_types"):
        op.drop_column("sync_runs", name)
