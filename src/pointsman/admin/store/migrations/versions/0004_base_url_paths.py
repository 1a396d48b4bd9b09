"""A path of a base URL is the provider's own: what was stored without the `/v1` that was put behind it says it now.

Anthropic's type is as it was: its SDK puts `/v1/messages` behind any base URL.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LENGTHENED = ("openai",)


def upgrade() -> None:
    _lengthen("cloud_credentials", sa.column("backend_type", sa.String).in_(_LENGTHENED))
    _lengthen("local_backends")


def _lengthen(name: str, *which: sa.ColumnElement[bool]) -> None:
    """Those that have a path."""
    table = sa.table(name, sa.column("base_url", sa.String))
    url = table.c.base_url
    longer = table.update().where(url.like("%://%/%"), url.notlike("%/v1"), *which)
    op.execute(longer.values(base_url=url.concat("/v1")))
