"""Tallies and headcounts.

Expand: programs of 0007 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "headcounts",
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("registered", sa.BigInteger(), nullable=False),
        sa.Column("came", sa.BigInteger(), nullable=False),
        sa.Column("attended", sa.BigInteger(), nullable=False),
        sa.Column("inside", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    op.create_table(
        "tallies",
        sa.Column("width_ms", sa.Integer(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("width_ms", "slot", "gate_id", "name"),
    )
    op.create_index("resolutions_by_time", "resolutions", ["at_ms", "resolution_id"], unique=False)
    op.create_index(
        "scans_last_at_gate", "scans", ["gate_id", "verdict", "occurred_ms"], unique=False
    )
