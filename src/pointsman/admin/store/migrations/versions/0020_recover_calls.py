"""Calls that local servers give as text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "backend_mappings",
        sa.Column("recover_calls", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
