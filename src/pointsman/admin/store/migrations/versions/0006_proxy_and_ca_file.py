"""A backend may have a proxy and a CA file of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("cloud_credentials", "local_backends"):
        for name in ("proxy", "ca_file"):
            op.add_column(table, sa.Column(name, sa.String(), nullable=True))
