"""Column types by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects.sqlite import dialect

from pointsman.admin.store.columns import SealedText, UtcDateTime, enum_column
from pointsman.admin.vault import Sealed
from pointsman.kinds import AuthScheme

DIALECT = dialect()  # type: ignore[no-untyped-call]


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    there = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    stored = UtcDateTime().process_bind_param(there, DIALECT)
    assert stored == datetime(2026, 3, 1, 6, 30)
    back = UtcDateTime().process_result_value(stored, DIALECT)
    assert back == there
    assert back is not None
    assert back.tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1), DIALECT)


def test_none_stays_none() -> None:
    assert UtcDateTime().process_bind_param(None, DIALECT) is None
    assert UtcDateTime().process_result_value(None, DIALECT) is None
    assert SealedText().process_bind_param(None, DIALECT) is None
    assert SealedText().process_result_value(None, DIALECT) is None


def test_a_sealed_key_is_text_in_the_column_and_hidden_outside() -> None:
    assert SealedText().process_bind_param(Sealed("pm1.a.b"), DIALECT) == "pm1.a.b"
    assert SealedText().process_result_value("pm1.a.b", DIALECT) == Sealed("pm1.a.b")


def test_an_enum_column_holds_values() -> None:
    column = enum_column(AuthScheme, "x")
    assert column.enums == ["bearer", "x-api-key", "api-key", "none"]
    assert not column.native_enum
