"""A badge that was revoked may be given to another participant: both credentials have its digest.

Expand: programs of 0006 go on working on it; to them such a badge is another one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("credentials", sa.Column("shared_digest", sa.String(length=32), nullable=True))
    op.create_index(
        op.f("ix_credentials_shared_digest"), "credentials", ["shared_digest"], unique=False
    )
