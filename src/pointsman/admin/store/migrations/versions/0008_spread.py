"""A rule may spread its requests over equals, by weights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "backend_mappings",
        sa.Column("spread", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("backend_mappings", sa.Column("weights", sa.JSON(), nullable=True))
