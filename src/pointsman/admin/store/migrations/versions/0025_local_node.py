"""A local backend may belong to one of several nodes. An older gateway beside a newer one does not see the column: for it
the backend is everybody's, as before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("local_backends", sa.Column("node", sa.String(), nullable=True))
