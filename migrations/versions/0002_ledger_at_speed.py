"""The ledger at speed: one correction for each event, reservations, and the tenant's key kept by the rollups."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ux_billing_usage_corrects",
        "billing_usage",
        ["tenant_id", "corrects_id"],
        unique=True,
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    # The check of this key cost a fifth of a batch. A ledger row never comes without its rollup, so the rollups'
    # key keeps the tenant as well, once for each bucket instead of once for each row.
    op.drop_constraint(op.f("fk_billing_usage_tenant_id"), "billing_usage", type_="foreignkey")

    # An index whose condition names the quantity makes every addition write to the indexes; a flag that stays as it is
    # does not, and room on the page lets the row be replaced in place (a heap-only tuple).
    op.add_column(
        "usage_rollups",
        sa.Column(
            "is_due",
            sa.Boolean(),
            sa.Computed("quantity <> claimed OR claim_sequence = 0", persisted=True),
            nullable=False,
        ),
    )
    op.execute("ALTER TABLE usage_rollups SET (fillfactor = 70)")
    op.drop_index("ix_usage_rollups_due", table_name="usage_rollups")
    op.create_index(
        "ix_usage_rollups_due",
        "usage_rollups",
        ["tenant_id", "bucket_start"],
        postgresql_where=sa.text("is_due"),
    )

    op.create_table(
        "usage_caps",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_usage_caps_quantity")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_usage_caps_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "usage_type", name=op.f("pk_usage_caps")),
    )
    op.create_table(
        "usage_budgets",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_usage_budgets_amount")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_usage_budgets_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_usage_budgets")),
    )
    op.create_table(
        "usage_reservations",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("usage_type", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_usage_reservations_quantity")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_usage_reservations_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_usage_reservations")),
    )


def downgrade() -> None:
    op.drop_table("usage_reservations")
    op.drop_table("usage_budgets")
    op.drop_table("usage_caps")
    op.create_foreign_key(
        op.f("fk_billing_usage_tenant_id"), "billing_usage", "tenants", ["tenant_id"], ["id"], ondelete="RESTRICT"
    )
    op.drop_index("ix_usage_rollups_due", table_name="usage_rollups")
    op.drop_column("usage_rollups", "is_due")
    op.create_index(
        "ix_usage_rollups_due",
        "usage_rollups",
        ["tenant_id", "bucket_start"],
        postgresql_where=sa.text("quantity <> claimed OR claim_sequence = 0"),
    )
    op.execute("ALTER TABLE usage_rollups RESET (fillfactor)")
    op.drop_index("ux_billing_usage_corrects", table_name="billing_usage")
