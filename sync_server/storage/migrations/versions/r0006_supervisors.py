"""Supervisors' PINs, and marks by which gates find people.

Expand: programs of 0005 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "operator_pin_hashes",
        sa.Column("operator_id", sa.String(length=100), nullable=False),
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("operator_id", "device_id"),
    )
    op.create_table(
        "operator_pins",
        sa.Column("operator_id", sa.String(length=100), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("set_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("operator_id"),
    )
    op.add_column("credentials", sa.Column("mark", sa.String(length=8), nullable=True))
    op.add_column("participants", sa.Column("find", sa.Text(), nullable=True))
    op.add_column("people", sa.Column("pin_mark", sa.String(length=16), nullable=True))
