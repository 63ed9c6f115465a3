"""Days compared with Twilio's own records; who took which tick of the schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
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


def upgrade() -> None:
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
