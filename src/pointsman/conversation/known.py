"""A list that was met before, with what was made of it: agents send the same twenty tools and the same history each turn.

Nobody changes such a list or what is in it: who adds to it makes a list of his own. Not here: who remembers it
(dialects/tool_memory.py, turn_memory.py), and what is made of it (translation/, each dialect's half that writes).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

MOST_MADE = 12
"""Results of one list that are kept: a few targets, each with what it is rendered as. With one more all are made anew."""
T = TypeVar("T")
Made = TypeVar("Made")


class KnownList(list[T]):
    """made: by once(); who asks often looks there first. text: the JSON that it was read from, without spaces; b"" where
    nobody wants it, or it was made of another."""

    __slots__ = ("made", "text")

    def __init__(self, items: Iterable[T], text: bytes = b"") -> None:
        super().__init__(items)
        self.text = text
        self.made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives for these and this key, which says who asks and all else that it depends on. What it raises is
        not remembered."""
        found: Made | None = self.made.get(key)
        if found is None:
            found = make()
            if len(self.made) >= MOST_MADE:
                self.made.clear()
            self.made[key] = found
        return found


def once_of(items: Sequence[T], look: Callable[[Sequence[T]], Made]) -> Made:
    """What `look`, which depends on these alone, finds in them: once where they are known. Never None."""
    if type(items) is not KnownList:
        return look(items)
    found: Made | None = items.made.get(look)
    return _first_look(items, look) if found is None else found


def _first_look(items: KnownList[T], look: Callable[[Sequence[T]], Made]) -> Made:
    """Apart, since a function with a closure in it costs more whenever it is called."""
    return items.once(look, lambda: look(items))
