"""What the audit calls the rows of each table, and each row. A table that is not here is not watched: the audit's
own alone (`tests/admin/store/test_recording.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa

from ...kinds import backend_key
from .row import Table
from .tables import (
    AllowedOrigin,
    BackendMapping,
    Capture,
    ClientKey,
    CloudCredential,
    KeyGroup,
    LocalBackend,
    Price,
    ProviderList,
    Setting,
    Webhook,
)


class Noun(NamedTuple):
    """name: of the kind, as the command line has it. title: of one row, as people call it."""

    name: str
    title: Callable[[Any], str]


NOUNS: dict[type[Table], Noun] = {
    BackendMapping: Noun("mapping", lambda row: row.model_pattern),
    CloudCredential: Noun("credential", lambda row: backend_key(row.backend_type, row.name)),
    LocalBackend: Noun("local", lambda row: row.name),
    KeyGroup: Noun("group", lambda row: row.name),
    ClientKey: Noun("key", lambda row: f"{row.name} ({row.prefix})" if row.name else row.prefix),
    AllowedOrigin: Noun("origin", lambda row: row.origin),
    Webhook: Noun("webhook", lambda row: row.url),
    Capture: Noun("capture", lambda row: f"rule {row.mapping_id}" if row.mapping_id else f"key {row.key_id}"),
    Price: Noun("price", lambda row: f"{row.where}:{row.model}"),
    ProviderList: Noun("price list", lambda row: row.provider),
    Setting: Noun("setting", lambda row: row.key),
}

TABLE_OF: dict[str, type[Table]] = {noun.name: table for table, noun in NOUNS.items()}


def row_key(row: Table) -> str:
    """Its primary key as text."""
    return str(sa.inspect(row).mapper.primary_key_from_instance(row)[0])
