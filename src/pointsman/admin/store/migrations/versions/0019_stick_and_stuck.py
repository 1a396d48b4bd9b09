"""Conversations that stay with a target, and are handed over where they do not get on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("stick", "stop_loops"):
        op.add_column(
            "backend_mappings", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        )
    for name in ("stuck_after", "stuck_for", "loop_repeats"):
        op.add_column("backend_mappings", sa.Column(name, sa.Integer(), nullable=True))
