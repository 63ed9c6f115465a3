"""The audit trail, a tenant's time zone and locale, invitations, alerts, notices and their mails."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0011"
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
    op.add_column("memberships", sa.Column("wants_mail", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column(
        "memberships", sa.Column("read_up_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("usage_budgets", sa.Column("stops", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    _create_audit()
    _create_invitations()
    _create_notices()
    _create_mails()


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


def _create_invitations() -> None:
    _create_owned(
        "invitations",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("email", "role", "invited_by")),
        sa.Column("serial", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("invited_at", "expires_at")),
        *(sa.Column(name, TIME, nullable=True) for name in ("accepted_at", "withdrawn_at")),
        sa.CheckConstraint("role IN ('owner', 'admin', 'viewer')", name=op.f("ck_invitations_role")),
    )
    op.create_index(
        "ux_invitations_open",
        "invitations",
        ["tenant_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL AND withdrawn_at IS NULL"),
    )


def _create_notices() -> None:
    op.create_table(
        "alert_rules",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        *(sa.Column(name, postgresql.ARRAY(sa.BigInteger()), nullable=False) for name in ("percents", "units")),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_alert_rules_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "subject", name=op.f("pk_alert_rules")),
    )
    _create_owned(
        "notices",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("key", "kind")),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_notices_tenant_id_key")),
    )


def _create_mails() -> None:
    _create_owned(
        "mails",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("key", "recipient")),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("notice_id", "invitation_id")),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("next_attempt_at", "created_at")),
        *(sa.Column(name, TIME, nullable=True) for name in ("lease_until", "sent_at")),
        sa.Column("error", sa.Text(), nullable=True),
        sa.UniqueConstraint("tenant_id", "key", "recipient", name=op.f("uq_mails_tenant_id_key_recipient")),
        sa.CheckConstraint("state IN ('pending', 'sent', 'failed')", name=op.f("ck_mails_state")),
    )
    op.create_index(
        "ix_mails_due", "mails", ["tenant_id", "next_attempt_at"], postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(
        "ix_mails_invitation",
        "mails",
        ["tenant_id", "invitation_id"],
        postgresql_where=sa.text("invitation_id IS NOT NULL"),
    )


def _create_owned(table: str, *parts: sa.schema.SchemaItem) -> None:
    """A table of rows that each belong to a tenant and are numbered."""
    op.create_table(
        table,
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *parts,
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f(f"pk_{table}")),
    )


def downgrade() -> None:
    for table in ("mails", "notices", "alert_rules", "invitations", "audit_entries"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_audit_change")
    for table, column in (
        ("usage_budgets", "stops"),
        ("memberships", "read_up_to"),
        ("memberships", "wants_mail"),
        ("tenants", "locale"),
        ("tenants", "time_zone"),
    ):
        op.drop_column(table, column)
