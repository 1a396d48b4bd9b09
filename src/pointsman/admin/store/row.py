"""What every table has: checks on each assignment, an id, times, and what may be shown of a row. Not here: which tables
there are (tables.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from ..vault import Sealed
from .columns import SealedText, UtcDateTime, utc_now

_LARGE = 8192
"""Characters of a value that is kept in an audit; of a longer one a digest is."""

_MOVED = "updated_at"
"""Changes with every other column, and says nothing more."""


class Table(SQLModel):
    """SQLModel does not validate tables. Enums, times and sealed keys are checked on every
    assignment and at construction all the same; `_checks` has what a column checks beyond its
    type.
    """

    model_config = {"defer_build": True}  # pydantic reads and writes no table: it need not work out how
    _checks: ClassVar[dict[str, Callable[[object], object]]] = {}

    @property
    def version(self) -> str:
        """Another one when another value stands in the row; the same when it is put back."""
        text = json.dumps(shown_values(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def hidden(self) -> frozenset[str]:
        """Columns whose values are shown to nobody."""
        return _secret_columns(type(self))

    def __setattr__(self, name: str, value: Any) -> None:
        check = self._checks.get(name) or _check_of(type(self), name)
        super().__setattr__(name, value if check is None or value is None else check(value))


@cache
def _check_of(table: type[Table], name: str) -> Callable[[object], object] | None:
    """By the column's declared type."""
    info = table.model_fields.get(name)
    kind: Any = None if info is None else info.annotation
    if get_origin(kind) in (Union, UnionType):  # `X | None`
        kind = next(one for one in get_args(kind) if one is not NoneType)
    if kind is datetime:
        return _aware
    if kind is Sealed:
        return Sealed.of
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else None


@cache
def _secret_columns(table: type[Table]) -> frozenset[str]:
    columns = sa.inspect(table).columns
    return frozenset(c.key for c in columns if isinstance(c.type, SealedText | sa.LargeBinary))


@cache
def columns_of(table: type[Table]) -> tuple[str, ...]:
    """All that say something."""
    return tuple(column.key for column in sa.inspect(table).columns if column.key != _MOVED)


def shown_values(row: Table) -> dict[str, Any]:
    """A row's columns as JSON has them, without what is secret; a large value as its digest."""
    hidden = row.hidden()
    return {name: shown_value(getattr(row, name)) for name in columns_of(type(row)) if name not in hidden}


def shown_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, str | list | dict):
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) > _LARGE:
            return Digest.of(text)
    return value.value if isinstance(value, StrEnum) else value


class Digest(str):
    """Stands for a large value."""

    @classmethod
    def of(cls, text: str) -> Digest:
        raw = text.encode("utf-8", "surrogatepass")
        return cls(f"{len(raw):,} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()[:16]}")


def _aware(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time without a time zone is not stored; use datetime.now(UTC)")
        return value.astimezone(UTC)
    return value


class Numbered(Table):
    id: int | None = Field(default=None, primary_key=True)


class Stamped(Table):
    created_at: datetime = Field(default_factory=utc_now, sa_type=UtcDateTime, nullable=False)
    updated_at: datetime = Field(
        default_factory=utc_now, sa_type=UtcDateTime, nullable=False, sa_column_kwargs={"onupdate": utc_now}
    )
