"""Client keys have limits and groups, credentials budgets."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _budget() -> list[sa.Column[Any]]:
    return [
        sa.Column("budget_money", sa.Float(), nullable=True),
        sa.Column("budget_tokens", sa.Integer(), nullable=True),
        sa.Column("per", sa.String(), nullable=True),
        sa.Column("zone", sa.String(), nullable=True),
        sa.Column("warn", sa.Integer(), nullable=False, server_default="80"),
    ]


def _limits() -> list[sa.Column[Any]]:
    names = ("rate_requests", "rate_tokens", "parallel")
    return _budget() + [sa.Column(name, sa.Integer(), nullable=True) for name in names]


def upgrade() -> None:
    op.create_table(
        "key_groups",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False, unique=True),
        sa.Column("note", sa.String(), nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        *_limits(),
        sqlite_autoincrement=True,
    )
    for column in (
        *_limits(),
        sa.Column("owner", sa.String(), nullable=False, server_default=""),
        sa.Column("note", sa.String(), nullable=False, server_default=""),
        sa.Column("models", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("paths", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("local_only", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("before", sa.LargeBinary(), nullable=True),
        sa.Column("before_until", sa.DateTime(), nullable=True),
    ):
        op.add_column("client_keys", column)
    for column in _budget():
        op.add_column("cloud_credentials", column)
