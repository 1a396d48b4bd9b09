"""Rules with a shadow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backend_mappings", sa.Column("shadow", sa.String(), nullable=True))
    for name in ("shadow_share", "shadow_busy"):
        op.add_column("backend_mappings", sa.Column(name, sa.Integer(), nullable=True))
