"""A list of tools that was met before, with what was made of it: agents send the same twenty each turn.

Nobody changes such a list or a tool in it: who adds to it makes a list of his own. Not here: who remembers it
(dialects/tool_memory.py), and what is made of it (translation/fit_tools.py, losses.py, each dialect's request_out.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from .request import Tool

MOST_MADE = 6
"""Results of one list that are kept: a few targets, each with what it is rendered as. With one more all are made anew."""
T = TypeVar("T")


class KnownTools(list[Tool]):
    """text: the JSON that it was read from, without spaces; b"" of one that was made of another."""

    __slots__ = ("_made", "text")

    def __init__(self, tools: Iterable[Tool], text: bytes = b"") -> None:
        super().__init__(tools)
        self.text = text
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives for these tools and this key, which says who asks and all else that it depends on. What it
        raises is not remembered."""
        found = self._made.get(key)
        if found is None:
            found = make()
            if len(self._made) >= MOST_MADE:
                self._made.clear()
            self._made[key] = found
        return found
