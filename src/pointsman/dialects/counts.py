"""A backend's token counts, in whichever form it writes a number and under whichever of several names
(docs/protocols/usage.md#numbers-in-other-forms). A usage of any shape costs no answer.

Not here: what the numbers mean, which each protocol's usage says.
"""

from __future__ import annotations

import math
from typing import Any

MOST = 2**53
"""What every reader of JSON takes exactly (RFC 8259, section 6); no context is so large."""
_DIGITS = len(str(MOST)) + 3


class Counts:
    """A usage object, or one of its details. value: as it was decoded; what is no object holds nothing."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value: dict[str, Any] = value if isinstance(value, dict) else {}

    def of(self, *names: str) -> int | None:
        """The first of them that counts anything; else 0 where one is told, else None."""
        told = None
        for name in names:
            value = self._value.get(name)
            if value is None:
                continue
            found = value if type(value) is int and 0 <= value <= MOST else number(value)
            if found:
                return found
            told = 0 if found is not None else told
        return told

    def one(self, name: str) -> int | None:
        """of() a single name."""
        value = self._value.get(name)
        return value if value is None or (type(value) is int and 0 <= value <= MOST) else number(value)

    def inner(self, *names: str) -> Counts:
        """The first of them that is an object."""
        for name in names:
            found = self._value.get(name)
            if isinstance(found, dict):
                return Counts(found)
        return _NOTHING


_NOTHING = Counts(None)


def number(value: Any) -> int | None:
    """A count: whole numbers, also as 9.0 or "9". None for what is none, or beyond MOST."""
    if type(value) is int:
        return value if -MOST <= value <= MOST else None
    if isinstance(value, str) and len(value) <= _DIGITS:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and math.isfinite(value):
        value = round(value)
    return number(value) if type(value) is int else None
