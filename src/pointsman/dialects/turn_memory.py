"""Turns of a conversation, remembered by their text: agents send their whole history each turn, and more at its end.

A turn that is there again, in the same place, is neither decoded nor read again. Only what depends on nothing but its text
is kept: turns of text, calls and results of text, of which nothing had to be told. The text is the whole key, with the
place, the client's protocol and the caller: nobody learns by the time that an answer takes what another has sent. Bounds:
MOST_TURNS and MOST_BYTES of text, the least recently used goes first (docs/protocols/messages.md#remembered-turns).

Nobody changes a turn that was read: who makes another of it makes it anew. Not here: what becomes of a turn (translation),
and declarations of tools, which only their text is asked for (tool_memory.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..conversation.known import KnownList
from ..conversation.notes import Notes
from ..conversation.parts import Part, Text, ToolCall, ToolResult
from ..conversation.request import Message
from ..kinds import Protocol
from . import tool_memory
from .body_memory import BODIES
from .fields import says_it_all
from .memory import Memory

MOST_TURNS = 4096
MOST_BYTES = 8 * 1024 * 1024
_LARGEST = MOST_BYTES // 16
SMALLEST = 8 * 1024
"""Bytes of a body below which reading costs no more than remembering."""
_decode = msgspec.json.Decoder().decode
Whose = tuple[Protocol, str]
"""The client's protocol, and the caller."""


MEMORY: Memory[tuple[str, int, bytes], Message] = Memory(MOST_TURNS, MOST_BYTES)


class Turns(list[Any]):
    """The turns of a client's body: each the Message that was read of it before, or its decoded value. texts: the JSON of
    each."""

    __slots__ = ("_whose", "texts")

    def __init__(self, items: list[Any], whose: str, texts: list[bytes]) -> None:
        super().__init__(items)
        self._whose = whose
        self.texts = texts

    def keep(self, at: int, turn: Message, notes: Notes, told: int) -> None:
        """Remember what was read of one, if that depends on its text alone. told: losses that were told before it."""
        text = self.texts[at]
        if len(text) <= _LARGEST and len(notes.warnings) == told and all(map(_plain, turn.parts)):
            turn.parts = KnownList(turn.parts)
            MEMORY.put((self._whose, at, text), len(text), turn)


def _plain(part: Part) -> bool:
    if type(part) is ToolResult:
        return all(type(one) is Text and not one.citations for one in part.parts)
    return type(part) is ToolCall or (type(part) is Text and not part.citations)


def load_known(body: bytes, whose: Whose, history: str) -> dict[str, Any] | None:
    """The body, with the turns in its member `history` as Turns and its tools as they were read, where they are known. None
    where it is not written as most clients write it, without white space between its values, or cannot be read: then
    fields.load() says why.

    No key stands twice: the members and the turns are as long together as the text, and what is within each was looked at
    when it was decoded, now or when it was read first."""
    mine = whose[0] + ":" + whose[1]
    try:
        found = BODIES.cut(body, mine, history)
        if found is None:
            return None
        cut, before = found
        proven = cut.proven
        value = {key: _member(key, text, whose[0], key in proven) for key, text in cut.first.items()}
        value[history] = _turns(cut.texts, mine)
        for _, key, text in cut.rest:
            value[key] = _member(key, text, whose[0], key in proven)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _Doubtful):
        return None
    BODIES.keep(mine, cut, before)
    return value


def _member(key: str, text: bytes, protocol: Protocol, proven: bool) -> Any:
    """proven: no key stands twice in it."""
    if key == "tools":
        known = tool_memory.MEMORY.get([(protocol, text)])[0]
        if known is not None:
            return known
    return _decode(text) if proven else _whole(text)


def _turns(texts: list[bytes], whose: str) -> Turns:
    kept = MEMORY.get([(whose, at, one) for at, one in enumerate(texts)])
    known = [_whole(one) if turn is None else turn for one, turn in zip(texts, kept, strict=True)]
    return Turns(known, whose, texts)


class _Doubtful(Exception):
    """A key may stand twice."""


def _whole(text: bytes) -> Any:
    value = _decode(text)
    if type(value) in (dict, list) and not says_it_all(text, value):
        raise _Doubtful
    return value
