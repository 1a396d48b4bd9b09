"""Prices that the user has set, and lists of prices that were read in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("where", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), server_default="", nullable=False),
        sa.Column("above", sa.Integer(), server_default="0", nullable=False),
        sa.Column("since", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("where", "model", "tier", "above", "since", name="price_of_what"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_prices_where", "prices", ["where"])
    op.create_table(
        "price_lists",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("hosts", sa.String(), server_default="", nullable=False),
        sa.Column("others", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("read_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("provider"),
    )
