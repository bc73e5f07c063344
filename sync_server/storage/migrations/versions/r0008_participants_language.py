"""Participants language.

Expand: programs of 0007 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("participants", sa.Column("language", sa.String(length=8), nullable=True))
