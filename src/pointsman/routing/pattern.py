"""Model patterns: `*` and `?` are wild, every other character is itself (`[1m]` is no character class).

Matching is case-sensitive and covers the whole name
(docs/design.md#patterns-and-the-order-of-rules). Not here: many patterns at once (wild_index.py) and
which rule wins (table.py).
"""

from __future__ import annotations

from typing import NamedTuple

CONTEXT_SUFFIX = "[1m]"
"""Claude Code's mark for the long context window; tried as written first, never sent upstream."""


def is_wild(pattern: str) -> bool:
    """Does the pattern hold a wild character?"""
    return "*" in pattern or "?" in pattern


def literal_length(pattern: str) -> int:
    """Characters that are themselves: the longer, the more exact the rule."""
    return len(pattern) - pattern.count("*") - pattern.count("?")


class Glob(NamedTuple):
    """A pattern taken apart: what stands before its first star, between its stars, and after its last. Runs of stars are
    one. Without a star all of it is `head`, and starred is False. Pieces may hold `?`."""

    head: str
    middle: tuple[str, ...]
    tail: str
    starred: bool

    @staticmethod
    def of(pattern: str) -> Glob:
        """The parts of a pattern."""
        head, star, rest = pattern.partition("*")
        if not star:
            return Glob(head, (), "", False)
        *middle, tail = rest.split("*")
        return Glob(head, tuple(filter(None, middle)), tail, True)

    def covers(self, name: Subject) -> bool:
        """Is the whole name the pattern's? Its pieces are found one after the other, without going back."""
        at, end = len(self.head), len(name.text) - len(self.tail)
        if at > end or (not self.starred and at != end):
            return False
        if not (name.stands(self.head, 0) and name.stands(self.tail, end)):
            return False
        for piece in self.middle:
            found = name.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True


class Subject:
    """A name while patterns are tried on it. Where a piece stands is looked for from the left, and never again further to
    the left: for pieces of fixed lengths the first place is always as good as a later one, so nothing is tried twice."""

    __slots__ = ("_characters", "_places", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._characters: dict[str, int] = {}
        self._places: dict[str, int] = {}

    def find(self, piece: str, start: int, end: int) -> int:
        """The first place from `start` on where the piece stands before `end`, else -1."""
        if "?" not in piece:
            return self.text.find(piece, start, end)
        places = self._all_places(piece) >> start
        if not places:
            return -1
        at = start + (places & -places).bit_length() - 1
        return at if at + len(piece) <= end else -1

    def stands(self, piece: str, at: int) -> bool:
        """Does it stand there? at: where as many characters follow as the piece has."""
        if "?" not in piece:
            return self.text.startswith(piece, at)
        return bool(self._all_places(piece) >> at & 1)

    def _all_places(self, piece: str) -> int:
        """A bit a place, its end not looked at: one step a character of the piece, whatever the name."""
        places = self._places.get(piece)
        if places is not None:
            return places
        if not self._characters:
            for at, character in enumerate(self.text):
                self._characters[character] = self._characters.get(character, 0) | 1 << at
        places = (1 << len(self.text) + 1) - 1
        for offset, character in enumerate(piece):
            if character != "?":
                places &= self._characters.get(character, 0) >> offset
                if not places:
                    break
        self._places[piece] = places
        return places


def wild_match(pattern: str, name: str) -> bool:
    """Does the pattern cover the name? For many patterns see wild_index.py."""
    return Glob.of(pattern).covers(Subject(name))


def without_suffix(name: str) -> str:
    """The name as a backend knows it."""
    return name.removesuffix(CONTEXT_SUFFIX) if len(name) > len(CONTEXT_SUFFIX) else name
