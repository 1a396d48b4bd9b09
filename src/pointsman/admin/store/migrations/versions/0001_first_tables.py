"""The first tables: rules, credentials, local backends, client keys, settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TYPES = "'local', 'openai', 'anthropic'"
_AUTH = "'bearer', 'x-api-key', 'api-key', 'none'"


def upgrade() -> None:
    _backend_mappings()
    _cloud_credentials()
    _local_backends()
    op.create_table(
        "client_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False, server_default=""),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _backend_mappings() -> None:
    op.create_table(
        "backend_mappings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_pattern", sa.String(), nullable=False),
        sa.Column("backend_type", sa.String(32), nullable=False),
        sa.Column("backend_name", sa.String(), nullable=False, server_default=""),
        sa.Column("backend_model", sa.String(), nullable=True),
        sa.Column("fallback_backend", sa.String(32), nullable=True),
        sa.Column("fallback_model", sa.String(), nullable=True),
        sa.Column("fallbacks", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("local_only", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("forward_auth", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint(f"backend_type IN ({_TYPES})", name="mapping_backend_type"),
        sa.CheckConstraint(f"fallback_backend IN ({_TYPES})", name="mapping_fallback_backend"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_backend_mappings_model_pattern", "backend_mappings", ["model_pattern"])


def _cloud_credentials() -> None:
    op.create_table(
        "cloud_credentials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("backend_type", sa.String(32), nullable=False),
        sa.Column("name", sa.String(), nullable=False, server_default=""),
        sa.Column("encrypted_api_key", sa.Text(), nullable=False),
        sa.Column("key_fingerprint", sa.String(), nullable=True),
        sa.Column("base_url", sa.String(), nullable=True),
        sa.Column("dialects", sa.JSON(), nullable=True),
        sa.Column("auth", sa.String(32), nullable=True),
        sa.Column("allow_http", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("backend_type", "name", name="credential_type_name"),
        sa.CheckConstraint("backend_type != 'local'", name="credential_is_cloud"),
        sa.CheckConstraint(f"backend_type IN ({_TYPES})", name="credential_backend_type"),
        sa.CheckConstraint(f"auth IN ({_AUTH})", name="credential_auth"),
        sqlite_autoincrement=True,
    )


def _local_backends() -> None:
    op.create_table(
        "local_backends",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("encrypted_api_key", sa.Text(), nullable=True),
        sa.Column("key_fingerprint", sa.String(), nullable=True),
        sa.Column("dialects", sa.JSON(), nullable=True),
        sa.Column("auth", sa.String(32), nullable=True),
        sa.Column("context_window", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("allow_http", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sa.CheckConstraint(f"auth IN ({_AUTH})", name="local_auth"),
        sqlite_autoincrement=True,
    )
