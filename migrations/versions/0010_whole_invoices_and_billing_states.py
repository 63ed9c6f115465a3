"""Invoices mirrored whole (payments, credit notes, refunds, taxes, discounts) and the billing state of tenants."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NO_ROWS = sa.text("'[]'")
INVOICE_COLUMNS = (
    *((name, sa.Text()) for name in ("customer_id", "automatic_tax_status", "collection_method")),
    *((name, sa.Text()) for name in ("account_name", "account_country", "customer_email", "customer_phone")),
    *((name, sa.Text()) for name in ("customer_tax_exempt", "description", "footer", "receipt_number")),
    *((name, sa.Text()) for name in ("from_invoice_id", "latest_revision_id", "finalization_error")),
    *((name, sa.BigInteger()) for name in ("subtotal_excluding_tax", "total_excluding_tax")),
    *((name, sa.BigInteger()) for name in ("amount_paid_off_stripe", "ending_balance")),
    *((name, TIME) for name in ("automatically_finalizes_at", "effective_at", "voided_at")),
    *((name, TIME) for name in ("marked_uncollectible_at", "next_payment_attempt")),
    ("auto_advance", sa.Boolean()),
    ("customer_address", postgresql.JSONB(none_as_null=True)),
)
INVOICE_AMOUNTS = (
    "amount_overpaid",
    "amount_shipping",
    "pre_payment_credit_notes_amount",
    "post_payment_credit_notes_amount",
    "starting_balance",
)
INVOICE_LISTS = ("taxes", "discounts", "pretax_credits", "account_tax_ids", "customer_tax_ids")
LINE_COLUMNS = (
    ("product_id", sa.Text()),
    ("subscription_item_id", sa.Text()),
    ("invoice_item_id", sa.Text()),
    ("tier", sa.BigInteger()),
    ("quantity_decimal", sa.Numeric()),
    ("subtotal", sa.BigInteger()),
)
LINE_LISTS = ("taxes", "discounts", "pretax_credits")


def upgrade() -> None:
    _extend_invoices()
    _create_payments()
    _create_credit_notes()
    _create_billing_states()


def _extend_invoices() -> None:
    for name, kind in INVOICE_COLUMNS:
        op.add_column("invoices", sa.Column(name, kind, nullable=True))
    for name in INVOICE_AMOUNTS:
        op.add_column("invoices", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for name in INVOICE_LISTS:
        op.add_column("invoices", sa.Column(name, postgresql.JSONB(), server_default=NO_ROWS, nullable=False))
    # False for the invoices there are: the hourly job fetches them again.
    op.add_column("invoices", sa.Column("is_whole", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_invoices_not_whole", "invoices", ["tenant_id", "id"], postgresql_where=sa.text("NOT is_whole")
    )
    for name, kind in LINE_COLUMNS:
        op.add_column("invoice_lines", sa.Column(name, kind, nullable=True))
    for name in LINE_LISTS:
        op.add_column("invoice_lines", sa.Column(name, postgresql.JSONB(), server_default=NO_ROWS, nullable=False))


def _create_payments() -> None:
    _create_part(
        "invoice_payments",
        _texts("status", "type", "currency"),
        _texts("payment_intent_id", "intent_status", "failure_code", "failure_message", nullable=True),
        sa.Column("amount_requested", sa.BigInteger(), nullable=False),
        sa.Column("amount_paid", sa.BigInteger(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("paid_at", TIME, nullable=True),
        sa.Column("canceled_at", TIME, nullable=True),
    )
    _create_part(
        "invoice_payment_attempts",
        _texts("payment_id", "status", "currency"),
        _texts("method_type", "brand", "last4", "failure_code", "failure_message", nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("amount_refunded", sa.BigInteger(), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    _create_part(
        "refunds",
        _texts("currency"),
        _texts("charge_id", "payment_intent_id", "credit_note_id", "status", "reason", "failure_reason", nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )


def _create_credit_notes() -> None:
    _create_part(
        "credit_notes",
        _texts("number", "status", "type", "currency", "pdf"),
        _texts("reason", "memo", "balance_transaction_id", nullable=True),
        _amounts("amount", "subtotal", "total", "discount_amount", "pre_payment_amount", "post_payment_amount"),
        _amounts("subtotal_excluding_tax", "total_excluding_tax", "out_of_band_amount", nullable=True),
        sa.Column("taxes", postgresql.JSONB(), server_default=NO_ROWS, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("effective_at", TIME, nullable=True),
        sa.Column("voided_at", TIME, nullable=True),
    )
    op.create_table(
        "credit_note_lines",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("credit_note_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        *_texts("line_id", "type"),
        *_texts("invoice_line_id", "description", nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("unit_amount_decimal", sa.Numeric(), nullable=True),
        *_amounts("amount", "discount_amount"),
        sa.Column("taxes", postgresql.JSONB(), server_default=NO_ROWS, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id", "credit_note_id"],
            ["credit_notes.tenant_id", "credit_notes.invoice_id", "credit_notes.id"],
            name="fk_credit_note_lines_credit_note",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "invoice_id", "credit_note_id", "position", name=op.f("pk_credit_note_lines")
        ),
    )


def _create_billing_states() -> None:
    op.create_table(
        "billing_states",
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("plan", sa.Text(), server_default=sa.text("'free'"), nullable=False),
        *_texts("interval", "subscription_id", nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("period_start", TIME, nullable=True),
        sa.Column("period_end", TIME, nullable=True),
        sa.Column("cancel_at", TIME, nullable=True),
        sa.Column("access", sa.Text(), server_default=sa.text("'full'"), nullable=False),
        sa.Column("read_only_at", TIME, nullable=True),
        sa.Column("delinquent_since", TIME, nullable=True),
        *_texts("invoice_id", nullable=True),
        sa.Column("amount_owed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        *_texts("currency", nullable=True),
        sa.Column("next_payment_attempt", TIME, nullable=True),
        sa.Column("entitlements", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("stripe_features", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_at", TIME, nullable=True),
        sa.Column("stale_since", TIME, nullable=True),
        sa.CheckConstraint("access IN ('full', 'grace', 'read_only')", name=op.f("ck_billing_states_access")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_billing_states_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_billing_states")),
    )
    op.create_index(
        "ix_billing_states_stale", "billing_states", ["tenant_id"], postgresql_where=sa.text("stale_since IS NOT NULL")
    )
    op.create_index(
        "ix_billing_states_restricted", "billing_states", ["tenant_id"], postgresql_where=sa.text("access <> 'full'")
    )
    # The next sweep follows the state of every tenant that ever had a subscription.
    op.execute(
        "INSERT INTO billing_states (tenant_id, stale_since) SELECT DISTINCT tenant_id, now() FROM subscriptions"
    )


def _texts(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def _amounts(*names: str, nullable: bool = False) -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _create_part(table: str, *columns: sa.Column | list[sa.Column]) -> None:
    """A table of what hangs on an invoice: it goes with it."""
    flat = [each for group in columns for each in (group if isinstance(group, list) else [group])]
    op.create_table(
        table,
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        *flat,
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["invoices.tenant_id", "invoices.id"],
            name=op.f(f"fk_{table}_tenant_id_invoice_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "invoice_id", "id", name=op.f(f"pk_{table}")),
    )


def downgrade() -> None:
    for table in ("billing_states", "credit_note_lines", "credit_notes", "refunds", "invoice_payment_attempts"):
        op.drop_table(table)
    op.drop_table("invoice_payments")
    for name in (*LINE_LISTS, *(name for name, _ in LINE_COLUMNS)):
        op.drop_column("invoice_lines", name)
    op.drop_index("ix_invoices_not_whole", table_name="invoices")
    columns = (*INVOICE_LISTS, *INVOICE_AMOUNTS, *(name for name, _ in INVOICE_COLUMNS), "is_whole")
    for name in columns:
        op.drop_column("invoices", name)
