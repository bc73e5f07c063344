"""Participants language.

Expand: programs of 0008 go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("participants", sa.Column("language", sa.String(length=8), nullable=True))
