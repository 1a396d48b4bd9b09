"""Rules that keep answers for equal requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backend_mappings", sa.Column("cache_seconds", sa.Integer(), nullable=True))
    for name in ("cache_shared", "cache_any_temperature"):
        op.add_column(
            "backend_mappings", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
