"""Conflicts and contacts.

Expand: programs of 0002 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("device_id", sa.String(length=100), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "from_ms"),
    )
    op.create_table(
        "head_times",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision"),
    )
    op.create_index(op.f("ix_head_times_at_ms"), "head_times", ["at_ms"], unique=False)
    op.add_column("presences", sa.Column("conflicts", sa.JSON(none_as_null=True), nullable=True))
