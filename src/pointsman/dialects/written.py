"""JSON objects that were written before, in a list that is being written: they go with the text that they had then.

Not here: what is written (each dialect's half that writes), and what is remembered of a turn (conversation/known.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import msgspec

from ..conversation.known import KnownList, begun, remember
from ..conversation.parts import Part
from ..conversation.request import Message

_encode = msgspec.json.Encoder().encode
Object = dict[str, Any]


class Written(Object):
    """Nobody changes one: who has more to say makes an object of its own."""

    __slots__ = ("text",)

    def __init__(self, value: Object) -> None:
        super().__init__(value)
        self.text = msgspec.Raw(_encode(value))


def written(
    parts: KnownList[Part], key: Hashable, write: Callable[..., Iterable[Object]], *given: Any
) -> tuple[Written, ...]:
    """The objects of a turn that was met before. write(*given): depends on the parts and the key alone, which says who
    asks."""
    found: tuple[Written, ...] | None = parts.made.get(key)
    return parts.once(key, lambda: tuple(map(Written, write(*given)))) if found is None else found


def stands_apart(out: list[Object], known: tuple[Written, ...]) -> bool:
    """May the objects of a turn that was met before stand behind these as they are? Two of the same role may become one."""
    return not (out and known and out[-1]["role"] == known[0]["role"])


Turn = Callable[[Message], tuple[Written, ...] | None]
Apart = Callable[[list[Object], tuple[Written, ...]], bool]


def first_written(
    out: list[Object], messages: list[Message], key: Hashable, turn: Turn, apart: Apart = stands_apart
) -> int:
    """Add the objects of the turns that stand first and were met before; how many turns those are: up to one that must not
    stand behind those before as it is. turn: the objects of one, None of what was not met before; depends on the turn and
    the key alone."""
    begin, objects = begun(messages, key)
    first: list[Object] = [*objects] if objects else []
    count = begin
    for message in messages[begin:]:
        known = turn(message)
        if known is None or not apart(first, known):
            break
        first += known
        count += 1
    if count > begin:
        remember(messages, count, key, tuple(first))
    out += first
    return count


def as_text(values: Iterable[Object]) -> list[Any]:
    """For the encoder: where the text is there, it."""
    return [value.text if type(value) is Written else value for value in values]
