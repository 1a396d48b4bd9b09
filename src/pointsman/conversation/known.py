"""A list that was met before, with what was made of it: agents send the same twenty tools and the same history each turn.

Nobody changes such a list or what is in it: who adds to it makes a list of his own. Not here: who remembers it
(dialects/tool_memory.py, turn_memory.py), and what is made of it (translation/, each dialect's half that writes).

What was made of a whole beginning of a history is remembered with the last turn of it, beside those turns themselves: who
meets the same ones again, in the same order, goes on behind them (begun()).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import is_
from typing import Any, TypeVar

from .parts import Part
from .request import Message

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


_BEGUN, _JOINED = "begun", "joined"
_LATEST = 4
"""Turns that may have come behind a beginning that is known: an agent adds two or three."""


def joined(messages: Sequence[Message]) -> Message:
    """One that says what these say, one after the other; the very same again of those that were met before."""
    first, last = messages[0], messages[-1].parts
    if type(last) is not KnownList or not all([type(message.parts) is KnownList for message in messages]):
        return Message(first.role, _parts_of(messages), path=first.path)
    before = last.made.get(_JOINED)
    if before is not None and len(before[0]) == len(messages) and all(map(is_, before[0], messages)):
        found: Message = before[1]
        return found
    made = Message(first.role, KnownList(_parts_of(messages)), path=first.path)
    last.made[_JOINED] = tuple(messages), made
    return made


def _parts_of(messages: Sequence[Message]) -> list[Part]:
    return [part for message in messages for part in message.parts]


def begun(messages: Sequence[Message], key: Hashable) -> tuple[int, Any]:
    """(how many of the first messages were met before, in this order; what was made of them under this key), (0, None) where
    none were."""
    for count in range(len(messages), max(len(messages) - _LATEST, 0), -1):
        parts = messages[count - 1].parts
        if type(parts) is KnownList and (known := parts.made.get(_BEGUN)) is not None:
            found = known.get(key)
            if found is not None and all(map(is_, found[0], messages)):
                return count, found[1]
    return 0, None


def remember(messages: Sequence[Message], count: int, key: Hashable, made: Any) -> None:
    """For begun(): of the first `count` messages, the last of which was met before. What depends on nothing but them and the
    key; nobody changes it."""
    parts = messages[count - 1].parts if count else None
    if type(parts) is not KnownList:
        return
    known: dict[Hashable, Any] = parts.once(_BEGUN, dict)
    if len(known) >= MOST_MADE:
        known.clear()
    known[key] = messages[:count], made
    for before in messages[
        max(count - 3 * _LATEST, 0) : max(count - 2 * _LATEST, 0)
    ]:  # nobody asks for those again
        if type(before.parts) is KnownList:
            before.parts.made.pop(_BEGUN, None)
