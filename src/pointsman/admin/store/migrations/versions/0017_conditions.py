"""What a request must be for a rule to take it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backend_mappings", sa.Column("conditions", sa.JSON(), nullable=False, server_default="[]"))
