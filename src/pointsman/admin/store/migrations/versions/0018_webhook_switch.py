"""A webhook can be switched off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()))
