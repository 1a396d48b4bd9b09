"""Column types: enums as their values, aware UTC times, sealed keys. Not here: tables."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from ..vault import Sealed


def utc_now() -> datetime:
    return datetime.now(UTC)


def enum_column(kind: type[StrEnum], name: str) -> sa.Enum:
    """A short text holding the member's value, with a CHECK constraint of that name."""
    return sa.Enum(
        kind,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=True,
        length=32,
        name=name,
    )


class UtcDateTime(TypeDecorator[datetime]):
    """SQLite forgets time zones: UTC goes in without one and comes back with it. A naive time is
    refused.
    """

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone is not stored; use datetime.now(UTC)")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class SealedText(TypeDecorator[Sealed]):
    """A sealed key: `Sealed` outside, its text in the column.

    On an engine that `guard` was told of, a text that is not in the vault's form is refused before
    it reaches the database. Elsewhere any text is kept: a table by itself knows of no vault.
    """

    impl = sa.Text
    cache_ok = True
    _guarded: ClassVar[WeakSet[sa.Dialect]] = WeakSet()

    @classmethod
    def guard(cls, dialect: sa.Dialect) -> None:
        """Refuse plain keys on this dialect's engine, whatever writes them: a flush or a
        statement. Call it before the engine's first statement with such a column.
        """
        cls._guarded.add(dialect)

    def process_bind_param(self, value: Sealed | str | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        sealed = Sealed.of(value)
        if sealed.key_id is None and dialect in self._guarded:
            raise ValueError("this is not a sealed key; a plain key never stands in a row")
        return sealed.text

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Sealed | None:
        return None if value is None else Sealed(value)
