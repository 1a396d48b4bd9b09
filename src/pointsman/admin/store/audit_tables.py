"""The audit's two tables: one entry a change, and the rows that it changed. Not here: who fills them (recording.py), how a
change is taken back (undoing.py).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from .asking import Who
from .columns import UtcDateTime, utc_now
from .row import Numbered


class Did(StrEnum):
    """What became of a row."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"


class AuditEntry(Numbered, table=True):
    """One change: all that one transaction has changed. session: of a web page. undoes: the entry that it takes back."""

    __tablename__ = "audit_entries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)
    who: Who = Field(sa_column=sa.Column(sa.String, nullable=False))
    session: str = Field(default="", sa_column_kwargs={"server_default": ""})
    undoes: int | None = Field(default=None, index=True)


class AuditRow(Numbered, table=True):
    """One row that a change has changed. noun and row: which; name: what people called it then. before, after: its columns,
    of one that was changed the changed ones alone. withheld: columns of which there are no values here, as they are
    secret or large."""

    __tablename__ = "audit_rows"
    __table_args__ = (sa.Index("audit_rows_of", "noun", "row"), {"sqlite_autoincrement": True})

    entry_id: int = Field(
        sa_column=sa.Column(
            sa.Integer, sa.ForeignKey("audit_entries.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    noun: str
    row: str
    name: str
    did: Did = Field(sa_column=sa.Column(sa.String, nullable=False))
    before: dict[str, Any] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    after: dict[str, Any] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    withheld: list[str] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
