"""Regular expressions of schemas, in the part of them that grammar compilers translate right.

Kept: anchored at both ends, plain letters, classes, groups, alternatives in groups, bounded repetition. `\\d` and `\\w` are
written out. Not here: everything that would match a quote or a backslash, which would let the model leave its JSON string
(`.`, `[^a]`, `\\s`), and what a grammar has no form for (look-around, back references, `\\b`).
"""

from __future__ import annotations

import re

ROOM = 1000
"""How often a rule may be repeated, repetitions within it included. llama.cpp refuses 2000 (MAX_REPETITION_THRESHOLD)."""

_MAX_LENGTH = 500
_MAX_GROUPS = 16
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_"}
_LITERAL = re.compile(r"[A-Za-z0-9_ \-,:;@#%&=~!<>'/]")
_ESCAPED = re.compile(r"[.\-/:@#%&=~!<>',;_ (){}*+?|$]")
"""What may stand behind a backslash and is then itself, also inside a class."""
_IN_CLASS = re.compile(r"[A-Za-z0-9_ ,:;@#%&=~!<>'/.(){}*+?|$]")
_SET_ALGEBRA = ("--", "&&", "~~", "||")
"""In a class, some compilers read these as operations on sets; `[[` too, which is why `[` is not kept there."""
_RANGE = re.compile(r"([a-z])-([a-z])|([A-Z])-([A-Z])|([0-9])-([0-9])")
_REPEAT = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")


class _Unsafe(Exception):
    """It holds something that is not kept."""


def safe_pattern(pattern: str, room: int = ROOM) -> str | None:
    """The same pattern in the safe part, None when it cannot be written so."""
    if len(pattern) > _MAX_LENGTH or len(pattern) < 3 or pattern[0] != "^" or pattern[-1] != "$":
        return None
    if pattern.endswith("\\$"):
        return None
    work = _Reader(pattern[1:-1], room)
    try:
        text, _ = work.sequence(0)
    except _Unsafe:
        return None
    return f"^{text}$" if work.at == len(work.text) else None


class _Reader:
    """Reads a pattern once, from left to right."""

    def __init__(self, text: str, room: int) -> None:
        self.text = text
        self.at = 0
        self._room = room

    def sequence(self, depth: int) -> tuple[str, int]:
        """Atoms one after the other, to the end or to what ends a group; and how many rules they are."""
        parts: list[str] = []
        weight = 0
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            atom, size = self._atom(depth)
            repeat, times = self._repeat()
            size *= times
            if size > self._room:
                raise _Unsafe
            parts.append(atom + repeat)
            weight += size
        if not parts or weight > self._room:
            raise _Unsafe
        return "".join(parts), weight

    def _atom(self, depth: int) -> tuple[str, int]:
        char = self.text[self.at]
        self.at += 1
        if char == "(":
            return self._group(depth + 1)
        if char == "[":
            return self._class(), 1
        if char == "\\":
            return self._escape(), 1
        if not _LITERAL.fullmatch(char):
            raise _Unsafe
        return char, 1

    def _group(self, depth: int) -> tuple[str, int]:
        if depth > _MAX_GROUPS:
            raise _Unsafe
        if self.text.startswith("?:", self.at):
            self.at += 2
        variants = [self.sequence(depth)]
        while self.text.startswith("|", self.at):
            self.at += 1
            variants.append(self.sequence(depth))
        if not self.text.startswith(")", self.at):
            raise _Unsafe
        self.at += 1
        weight = sum(size for _, size in variants)
        return "(" + "|".join(text for text, _ in variants) + ")", weight

    def _escape(self) -> str:
        """As a class of one: a compiler joins escaped letters with the plain ones before them, and would repeat both."""
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in _CLASSES:
            return f"[{_CLASSES[char]}]"
        if not char or not _ESCAPED.fullmatch(char):
            raise _Unsafe
        return f"[{char}]"

    def _class(self) -> str:
        """A hyphen that is itself goes to the end."""
        items: list[str] = []
        hyphen = False
        while not self.text.startswith("]", self.at):
            found = _RANGE.match(self.text, self.at)
            char = self.text[self.at : self.at + 1]
            if found is not None:
                if found[0][0] > found[0][2]:
                    raise _Unsafe
                items.append(found[0])
                self.at = found.end()
            elif char == "-":
                first = self.text[self.at - 1] == "[" and not items
                if not first and not self.text.startswith("]", self.at + 1):
                    raise _Unsafe  # a range of a kind that is not kept
                hyphen = True
                self.at += 1
            elif char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                hyphen = hyphen or escaped == "-"
                if escaped in _CLASSES:
                    items.append(_CLASSES[escaped])
                elif escaped and _ESCAPED.fullmatch(escaped):
                    items.extend(() if escaped == "-" else (escaped,))
                else:
                    raise _Unsafe
                self.at += 2
            elif char and _IN_CLASS.fullmatch(char):
                items.append(char)
                self.at += 1
            else:
                raise _Unsafe
        self.at += 1
        text = "".join(items) + ("-" if hyphen else "")
        if not text or any(mark in text for mark in _SET_ALGEBRA):
            raise _Unsafe
        return f"[{text}]"

    def _repeat(self) -> tuple[str, int]:
        """A repetition, and the most times that a compiler writes it out."""
        char = self.text[self.at : self.at + 1]
        if not char or char not in "*+?{":
            return "", 1
        if char == "{":
            found = _REPEAT.match(self.text, self.at)
            if found is None:
                raise _Unsafe
            text, times = found[0], max(int(found[1]), int(found[3] or 0), 1)
            if found[3] is not None and int(found[3]) < max(1, int(found[1])):
                raise _Unsafe
            if found[2] is None and int(found[1]) == 0:
                raise _Unsafe
        else:
            text, times = char, 1
        self.at += len(text)
        if self.text[self.at : self.at + 1] in ("?", "+", "*", "{"):
            raise _Unsafe  # lazy or possessive
        return text, times
