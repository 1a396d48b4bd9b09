"""What a rule and a backend say about failures: further reasons to fall back, hedging, requests at once, resends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "backend_mappings", sa.Column("fallback_on", sa.JSON(), nullable=False, server_default="[]")
    )
    op.add_column("backend_mappings", sa.Column("hedge_seconds", sa.Float(), nullable=True))
    op.add_column("cloud_credentials", sa.Column("max_in_flight", sa.Integer(), nullable=True))
    op.add_column("local_backends", sa.Column("max_in_flight", sa.Integer(), nullable=True))
    op.add_column(
        "local_backends",
        sa.Column("join_resends", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
