"""The look at a body by which most are done with: does any of the words stand in it that credentials are found by?

Compiled it is one pass with a table; in Python, one pass of an expression. Not here: what stands there (finding.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .looking import looped

COMPILED = not hasattr(looped, "__code__")
"""Is it machine code that looks?"""
_SIZE = 1 << 16


class Hints:
    """words: three bytes at least, each."""

    __slots__ = ("_by_start", "_expression", "_table")

    def __init__(self, words: Iterable[bytes]) -> None:
        self._by_start: dict[bytes, tuple[bytes, ...]] = {}
        table = bytearray(_SIZE)
        for word in sorted(set(words), key=len, reverse=True):
            begins = word[:3]
            self._by_start[begins] = (*self._by_start.get(begins, ()), word)
            table[_hash(begins)] = 1
        self._table = bytes(table)
        self._expression = _expression(self._by_start)

    def places(self, data: bytes) -> list[tuple[int, bytes]]:
        """(where, the word) of each that stands there, in order; the longest of several first."""
        found = []
        for at in _candidates(data, self._table, self._expression):
            for word in self._by_start.get(data[at : at + 3], ()):
                if data.startswith(word, at):
                    found.append((at, word))
        return found


def _expression(starts: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """Finds them, by their first byte first."""
    by_first: dict[bytes, list[bytes]] = {}
    for one in sorted(starts):
        by_first.setdefault(re.escape(one[:1]), []).append(re.escape(one[1:]))
    ways = [first + b"(?:" + b"|".join(rest) + b")" for first, rest in by_first.items()]
    return re.compile(b"|".join(ways)) if ways else None


def _hash(begins: bytes) -> int:
    return (begins[0] ^ (begins[1] << 4) ^ (begins[2] << 8)) & 0xFFFF


def _candidates(data: bytes, table: bytes, expression: re.Pattern[bytes] | None) -> list[int]:
    """Where three bytes stand that some word may begin with."""
    if expression is None:
        return []
    if COMPILED:
        return looped(data, table)
    # A word may begin within the three bytes of another.
    return [at for one in expression.finditer(data) for at in range(one.start(), one.start() + 3)]
