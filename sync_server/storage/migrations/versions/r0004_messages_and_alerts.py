"""Messages and alerts.

Expand: programs of 0003 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("cleared_ms", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=100), nullable=True),
        sa.Column("acknowledged_ms", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("message_en", sa.Text(), nullable=False),
        sa.Column("message_ko", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    op.create_index(op.f("ix_alerts_cleared_ms"), "alerts", ["cleared_ms"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("handler", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index(
        "deliveries_by_state", "deliveries", ["handler", "state", "next_ms"], unique=False
    )
    op.create_table(
        "stream_cursors",
        sa.Column("handler", sa.String(length=64), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("handler"),
    )
    # Arrivals are counted by the first entry: those that were there before must be in the sums.
    op.execute(
        """
        INSERT INTO counters (scope, name, value)
        SELECT 'arrivals', CAST(first_entry_ms / 300000 AS TEXT), COUNT(*)
        FROM presences WHERE attended AND first_entry_ms IS NOT NULL
        GROUP BY first_entry_ms / 300000
        """
    )
