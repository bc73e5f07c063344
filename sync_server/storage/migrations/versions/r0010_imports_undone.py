"""Imports undone.

Expand: programs of 0009 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=100), nullable=False),
        sa.Column("created", sa.Boolean(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tickets", sa.JSON(), nullable=False),
        sa.Column("undone_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("import_id", "participant_id"),
    )
    op.create_index("import_rows_by_participant", "import_rows", ["participant_id"], unique=False)
    op.add_column("imports", sa.Column("state", sa.String(length=8), nullable=True))
    op.add_column("imports", sa.Column("caller", sa.String(length=100), nullable=True))
    op.add_column("imports", sa.Column("options", sa.JSON(), nullable=True))
    op.add_column("imports", sa.Column("finished_ms", sa.BigInteger(), nullable=True))
    op.add_column("imports", sa.Column("error", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("imports", sa.Column("undo", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("imports_by_time", "imports", ["at_ms"], unique=False)
