"""Calls, phone numbers, what arrived at numbers nobody has, and which texts were taken back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("text_messages", sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_text_messages_unsettled",
        "text_messages",
        ["tenant_id", "requested_at"],
        unique=False,
        postgresql_where=sa.text(
            "sid IS NOT NULL AND (state = 'sending' OR delivery_status IN ('accepted', 'queued', 'sending'))"
        ),
    )

    op.create_table(
        "calls",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("duration", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('sending', 'accepted', 'refused')", name=op.f("ck_calls_state")),
        sa.CheckConstraint("direction IN ('outbound', 'inbound')", name=op.f("ck_calls_direction")),
        sa.CheckConstraint(
            "direction = 'inbound' OR (idempotency_key IS NOT NULL AND fingerprint IS NOT NULL)",
            name=op.f("ck_calls_outbound_key"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_calls_tenant_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_calls")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("uq_calls_tenant_id_idempotency_key")),
        sa.UniqueConstraint("tenant_id", "sid", name=op.f("uq_calls_tenant_id_sid")),
    )
    op.create_index(
        "ix_calls_unsettled",
        "calls",
        ["tenant_id", "requested_at"],
        unique=False,
        postgresql_where=sa.text("sid IS NOT NULL AND ended_at IS NULL"),
    )

    op.create_table(
        "phone_numbers",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_phone_numbers_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_phone_numbers")),
    )
    op.create_index("ix_phone_numbers_tenant_id", "phone_numbers", ["tenant_id"], unique=False)
    # Tenants may have shared a sender: what comes in at it belongs to the first of them.
    op.execute(
        """
        INSERT INTO phone_numbers (number, tenant_id, assigned_at)
        SELECT DISTINCT ON (sms_from) sms_from, id, created_at FROM tenants
         WHERE sms_from IS NOT NULL ORDER BY sms_from, id
        """
    )

    op.create_table(
        "unassigned_callbacks",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('text', 'call')", name=op.f("ck_unassigned_callbacks_kind")),
        sa.PrimaryKeyConstraint("sid", "status", name=op.f("pk_unassigned_callbacks")),
    )
    op.create_index(
        "ix_unassigned_callbacks_to_number", "unassigned_callbacks", ["to_number", "received_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("unassigned_callbacks")
    op.drop_table("phone_numbers")
    op.drop_table("calls")
    op.drop_index("ix_text_messages_unsettled", table_name="text_messages")
    op.drop_column("text_messages", "reversed_at")
