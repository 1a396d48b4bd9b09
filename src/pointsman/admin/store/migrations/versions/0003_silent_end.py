"""A backend's streams may end without saying why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("cloud_credentials", "local_backends"):
        op.add_column(table, sa.Column("silent_end", sa.Boolean(), nullable=False, server_default=sa.false()))
