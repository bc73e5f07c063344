"""A place that says which programs may still work on this database.

Expand: programs of 0001 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    support = op.create_table(
        "schema_support",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("oldest", sa.String(length=4), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(support, [{"id": 1, "oldest": "0001"}])
