"""What is done about credentials in what leaves this machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backend_mappings", sa.Column("customs", sa.String(), nullable=True))
    op.add_column("client_keys", sa.Column("customs", sa.String(), nullable=True))
