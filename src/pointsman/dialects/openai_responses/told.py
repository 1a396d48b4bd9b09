"""How much of a text has been told, so that what repeats all of it can add the rest
(docs/protocols/streams.md#what-a-closing-event-adds).

Not here: which events repeat what (reader.py, seen.py).
"""

from __future__ import annotations

import zlib


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
