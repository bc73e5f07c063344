"""Badges that are held to a gate to be paired.

Expand: programs of 0004 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "pairings",
        sa.Column("pairing_id", sa.String(length=36), nullable=False),
        sa.Column("gate_id", sa.String(length=100), nullable=False),
        sa.Column("participant_id", sa.String(length=100), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("beacon", sa.String(length=100), nullable=True),
        sa.Column("rssi", sa.Float(), nullable=True),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pairing_id"),
        sa.UniqueConstraint("gate_id"),
    )
