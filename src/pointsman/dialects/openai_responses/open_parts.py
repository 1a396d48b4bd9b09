"""What is known of each part of a Responses answer until it ends: which neutral part it is, and what of it has been told.

Not here: which events they come of, and what is told (reader.py).
"""

from __future__ import annotations

from typing import Any

from .told import OpenCall, Told


class OpenWords:
    """A part of a message on its way. index: of its neutral part, -1 until it has words. told: of them. annotations: that
    came; those before `cited` have been told."""

    __slots__ = ("annotations", "cited", "index", "told")

    def __init__(self) -> None:
        self.index = -1
        self.told = Told()
        self.annotations: list[Any] = []
        self.cited = 0


OpenMessage = dict[int, OpenWords]
"""Content index -> part."""


class OpenThought:
    """A reasoning item on its way. index: of its part. told: of it. at: place of the summary's part that is being told,
    and piece: of that alone."""

    __slots__ = ("at", "index", "piece", "told")

    def __init__(self, index: int, at: int) -> None:
        self.index = index
        self.at = at
        self.told = Told()
        self.piece = Told()

    def add(self, text: str) -> None:
        """More of that part was told."""
        self.piece.add(text)
        self.told.add(text)


class ToldArguments:
    """A call on its way. index: of its part. told: of its arguments. seen: the same call as the facts have it."""

    __slots__ = ("index", "seen", "told")

    def __init__(self, index: int, seen: OpenCall | None) -> None:
        self.index = index
        self.seen = seen
        self.told = Told()

    def add(self, text: str) -> None:
        """More of its arguments was told, in an event that nobody has read in full."""
        assert self.seen is not None
        self.told.add(text)
        self.seen.add(text)
