"""The audit trail, and a tenant's time zone and locale."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)

# As for the ledger: the triggers only raise, and the revoked rights stand behind them.
APPEND_ONLY = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_entries is append-only'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
REVOKE UPDATE, DELETE, TRUNCATE ON audit_entries FROM PUBLIC, CURRENT_USER;
"""


def upgrade() -> None:
    op.add_column("tenants", sa.Column("time_zone", sa.Text(), server_default=sa.text("'UTC'"), nullable=False))
    op.add_column("tenants", sa.Column("locale", sa.Text(), server_default=sa.text("'en-US'"), nullable=False))
    _create_audit()


def _create_audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("actor", "actor_kind", "action", "subject")),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("acted_at", TIME, nullable=False),
        sa.CheckConstraint(
            "actor_kind IN ('member', 'staff', 'api_key', 'system')", name=op.f("ck_audit_entries_actor_kind")
        ),
        sa.CheckConstraint("jsonb_typeof(details) = 'object'", name=op.f("ck_audit_entries_details_object")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_action", "audit_entries", ["tenant_id", "action", "id"])
    op.create_index("ix_audit_entries_actor", "audit_entries", ["tenant_id", "actor", "id"])
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION refuse_audit_change")
    op.drop_column("tenants", "locale")
    op.drop_column("tenants", "time_zone")
