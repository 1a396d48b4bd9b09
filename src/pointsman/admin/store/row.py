"""What every table has: checks on each assignment, an id, times. Not here: which tables there are (tables.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin

from sqlmodel import Field, SQLModel

from ..vault import Sealed
from .columns import UtcDateTime, utc_now


class Table(SQLModel):
    """SQLModel does not validate tables. Enums, times and sealed keys are checked on every
    assignment and at construction all the same; `_checks` has what a column checks beyond its
    type.
    """

    model_config = {"defer_build": True}  # pydantic reads and writes no table: it need not work out how
    _checks: ClassVar[dict[str, Callable[[object], object]]] = {}

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
