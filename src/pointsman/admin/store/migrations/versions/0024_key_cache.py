"""Client keys whose answers are kept for equal requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client_keys", sa.Column("cache_seconds", sa.Integer(), nullable=True))
    op.add_column(
        "client_keys",
        sa.Column("cache_any_temperature", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
