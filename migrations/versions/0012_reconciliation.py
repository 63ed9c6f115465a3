"""Reconciliation: what was compared, what was found, and which billing periods are to be looked at again."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "billing_periods", sa.Column("check_due_at", TIME, server_default=sa.text("'epoch'"), nullable=True)
    )
    op.create_index(
        "ix_billing_periods_check_due",
        "billing_periods",
        ["tenant_id", "check_due_at"],
        postgresql_where=sa.text("check_due_at IS NOT NULL"),
    )
    _create_checks()
    _create_findings()


def _create_checks() -> None:
    op.create_table(
        "reconciliation_checks",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("period_start", TIME, nullable=False),
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("period_end", TIME, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("ledger", "events", "told", "summary")),
        sa.Column("invoiced", sa.BigInteger(), nullable=True),
        sa.Column("proposed", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("checked_at", TIME, nullable=False),
        sa.Column("verified_at", TIME, nullable=False),
        sa.CheckConstraint(
            "state IN ('equal', 'waiting', 'different')", name=op.f("ck_reconciliation_checks_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_reconciliation_checks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "period_start", "usage_type", name=op.f("pk_reconciliation_checks")
        ),
    )
    op.create_index(
        "ix_reconciliation_checks_different",
        "reconciliation_checks",
        ["tenant_id", "period_start"],
        postgresql_where=sa.text("state = 'different'"),
    )


def _create_findings() -> None:
    op.create_table(
        "reconciliation_findings",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("key", "kind", "usage_type")),
        sa.Column("period_start", TIME, nullable=False),
        sa.Column("hour", TIME, nullable=True),
        sa.Column("meter_event_id", sa.BigInteger(), nullable=True),
        sa.Column("identifier", sa.Text(), nullable=True),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("repair", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("repaired_at", TIME, nullable=True),
        sa.Column("repaired_by", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'repaired', 'gone')", name=op.f("ck_reconciliation_findings_state")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_reconciliation_findings_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_reconciliation_findings")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_reconciliation_findings_tenant_id_key")),
    )
    op.create_index("ix_reconciliation_findings_newest", "reconciliation_findings", ["id"])
    op.create_index(
        "ix_reconciliation_findings_open",
        "reconciliation_findings",
        ["tenant_id", "id"],
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_reconciliation_findings_period", "reconciliation_findings", ["tenant_id", "period_start"]
    )


def downgrade() -> None:
    op.drop_table("reconciliation_findings")
    op.drop_table("reconciliation_checks")
    op.drop_index("ix_billing_periods_check_due", "billing_periods")
    op.drop_column("billing_periods", "check_due_at")
