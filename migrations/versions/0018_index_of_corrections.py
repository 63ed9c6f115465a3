"""An index of corrections alone, so that an invoice line is explained without reading all of its usage."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_billing_usage_corrections",
        "billing_usage",
        ["tenant_id", "usage_type", "occurred_at"],
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_billing_usage_corrections", "billing_usage")
