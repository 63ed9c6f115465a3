"""What staff said a price means, and the prices of each subscription, known and unknown."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rows that are there learn their prices with the next sync of their subscription.
    for name in ("price_ids", "unknown_price_ids"):
        op.add_column(
            "subscriptions",
            sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        )
    op.create_index(
        "ix_subscriptions_unknown_prices",
        "subscriptions",
        ["tenant_id"],
        postgresql_where=sa.text("unknown_price_ids <> '{}'"),
    )
    op.create_table(
        "price_mappings",
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("mapped_by", sa.Text(), nullable=False),
        sa.Column("mapped_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("price_id", name=op.f("pk_price_mappings")),
    )


def downgrade() -> None:
    op.drop_table("price_mappings")
    op.drop_index("ix_subscriptions_unknown_prices", table_name="subscriptions")
    op.drop_column("subscriptions", "unknown_price_ids")
    op.drop_column("subscriptions", "price_ids")
