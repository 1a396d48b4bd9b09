"""How much of a text has been told, so that what repeats all of it can add the rest
(docs/protocols/streams.md#what-a-closing-event-adds); and a call's arguments, which must be closed besides.

Not here: which events repeat what (reader.py, seen.py).
"""

from __future__ import annotations

import zlib

from ...wire.jsontext import Closing


class Told:
    """Memory: its length and a sum over it, however long the text."""

    __slots__ = ("_size", "_sum")

    def __init__(self) -> None:
        self._size = 0
        self._sum = 0

    def add(self, text: str) -> None:
        """More of it was told."""
        self._size += len(text)
        self._sum = zlib.crc32(text.encode("utf-8", "surrogatepass"), self._sum)

    def rest(self, whole: str) -> str:
        """What all of it has beyond what was told, which counts as told from here on; "" when that is not its
        beginning: what a client has cannot be taken back."""
        if len(whole) <= self._size:
            return ""
        begun = whole[: self._size].encode("utf-8", "surrogatepass")
        if zlib.crc32(begun) != self._sum:
            return ""
        left = whole[self._size :]
        self.add(left)
        return left


class OpenCall:
    """A call whose item is not complete. text: of its arguments. free: it is the input of a custom tool, which nothing has
    to close."""

    __slots__ = ("_free", "_told", "text")

    def __init__(self, text: Closing, free: bool) -> None:
        self.text = text
        self._free = free
        self._told = Told()

    def add(self, text: str) -> None:
        """More of it came."""
        self._told.add(text)
        if not self._free:
            self.text.feed(text)

    def whole(self, text: str) -> None:
        """All of it, repeated."""
        rest = self._told.rest(text)
        if not self._free:
            self.text.feed(rest)
