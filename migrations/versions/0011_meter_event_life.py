"""The life of a meter event after it was sent, what goes to an invoice by hand, and what was settled that way."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATE, KIND = op.f("ck_meter_events_state"), op.f("ck_meter_events_kind")
STATES = ("pending", "sent", "rejected", "superseded", "canceled")
DUE = "ix_usage_rollups_due"


def upgrade() -> None:
    op.add_column("meter_events", sa.Column("kind", sa.Text(), server_default=sa.text("'usage'"), nullable=False))
    op.add_column("meter_events", sa.Column("replaces_id", sa.BigInteger(), nullable=True))
    op.add_column("meter_events", sa.Column("error_code", sa.Text(), nullable=True))
    op.add_column("meter_events", sa.Column("run_id", sa.BigInteger(), nullable=True))
    for name in ("tried_at", "cancel_asked_at"):
        op.add_column("meter_events", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(KIND, "meter_events", "kind IN ('usage', 'resend', 'repair')")
    op.drop_constraint(STATE, "meter_events", type_="check")
    op.create_check_constraint(STATE, "meter_events", f"state IN {STATES}")
    op.create_foreign_key(
        "fk_meter_events_replaces",
        "meter_events",
        "meter_events",
        ["tenant_id", "replaces_id"],
        ["tenant_id", "id"],
        ondelete="RESTRICT",
    )
    op.create_index(
        "ux_meter_events_replaces",
        "meter_events",
        ["tenant_id", "replaces_id"],
        unique=True,
        postgresql_where=sa.text("replaces_id IS NOT NULL"),
    )
    op.create_index(
        "ix_meter_events_cancel_asked",
        "meter_events",
        ["tenant_id", "id"],
        postgresql_where=sa.text("cancel_asked_at IS NOT NULL AND state = 'sent'"),
    )
    op.create_index("ix_meter_events_bucket", "meter_events", ["tenant_id", "usage_type", "bucket_start"])
    op.add_column(
        "usage_rollups", sa.Column("settled", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.drop_index(DUE, "usage_rollups")
    op.create_index(
        DUE,
        "usage_rollups",
        ["tenant_id", "usage_type", "bucket_start"],
        postgresql_where=sa.text("is_due"),
    )
    _create_proposals()


def _create_proposals() -> None:
    op.create_table(
        "billing_proposals",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "usage_type")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("quantity", "amount")),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bucket_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("invoice_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("stripe_id", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('invoice_item', 'credit_note')", name=op.f("ck_billing_proposals_kind")),
        sa.CheckConstraint("state IN ('open', 'accepted', 'dismissed')", name=op.f("ck_billing_proposals_state")),
        sa.CheckConstraint("quantity >= 0 AND amount >= 0", name=op.f("ck_billing_proposals_not_negative")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_billing_proposals_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_billing_proposals")),
        sa.UniqueConstraint("tenant_id", "dedupe_key", name=op.f("uq_billing_proposals_tenant_id_dedupe_key")),
    )
    op.create_index(
        "ix_billing_proposals_open", "billing_proposals", ["tenant_id", "id"], postgresql_where=sa.text("state = 'open'")
    )


def downgrade() -> None:
    op.drop_table("billing_proposals")
    op.drop_index(DUE, "usage_rollups")
    op.create_index(DUE, "usage_rollups", ["tenant_id", "bucket_start"], postgresql_where=sa.text("is_due"))
    op.drop_column("usage_rollups", "settled")
    op.drop_index("ix_meter_events_bucket", "meter_events")
    op.drop_index("ix_meter_events_cancel_asked", "meter_events")
    op.drop_index("ux_meter_events_replaces", "meter_events")
    op.drop_constraint("fk_meter_events_replaces", "meter_events", type_="foreignkey")
    op.drop_constraint(STATE, "meter_events", type_="check")
    # What was taken back or resent is, for the version before, an event that Stripe does not count.
    op.execute("UPDATE meter_events SET state = 'rejected' WHERE state IN ('superseded', 'canceled')")
    op.create_check_constraint(STATE, "meter_events", f"state IN {STATES[:3]}")
    op.drop_constraint(KIND, "meter_events", type_="check")
    for name in ("cancel_asked_at", "tried_at", "run_id", "error_code", "replaces_id", "kind"):
        op.drop_column("meter_events", name)
