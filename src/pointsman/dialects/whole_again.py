"""Whole answers that are the one before but for their text, their id and their counts: almost all that one model gives. They
are not decoded: what is fixed said what it said before, and what varies is looked at by itself.

One-sided: None is the full reading's, which has every answer. Not here: which answers are alike in that way, and what their
counts mean (each dialect's seen.py); events of a stream (same_again.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ..conversation.usage import TokenUsage
from .decoding import UNREADABLE

_decode = msgspec.json.Decoder(str).decode
"""By the decoder that reads answers in full."""
_TEXT, _STRING, _NUMBER, _COUNT = range(4)
"""What a gap holds; a count's kind is _COUNT and its place among the counts."""
_MOST = 8 * 1024
"""Bytes of an answer, without its text, that is kept."""
_DIGITS = 15
"""Of a number: those that every reader of JSON takes exactly."""
_TRIES, _PATIENCE = 8, 64
"""Answers that are learnt, and afterwards one of so many that were read in full: a backend that writes something new in each
costs little more than it did."""
_ZERO = ord("0")
_OFTEN = 8
"""Places at which a member is looked at."""
_SURE = (b'"', b"{", b"[", b"n")
"""How a value begins that is a string, and how those that cannot be one: an object, a list, null."""
_QUOTE = b'"'
# Looked up as numbers: `in` bytes Cython takes for a comparison of characters that have a sign.
_ODD = frozenset(b'"\\<[\xc2\xe1\xe2\xe3')
SPEAKS = bytes(byte > 0x20 and byte not in _ODD for byte in range(256))
"""By a byte: does a text that begins with it say something, which is no tag (think.py)? Some characters that begin with
one of the last four are white space, or begin a tag."""
_text = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL).match
_value = re.compile(rb'(?:"([^"\\]*)"|(0|[1-9][0-9]{0,14}))(?=[\s,}\]])').match


@dataclass(frozen=True, slots=True)
class Alike:
    """What may be another in each whole answer of a dialect, and all else stays true of it. Members as JSON: text: with its
    words; free: a string or a number that sets no fact; counts: of the usage; often: free wherever they stand."""

    text: bytes
    free: tuple[bytes, ...]
    counts: tuple[bytes, ...]
    often: tuple[bytes, ...] = ()


Reading = Callable[[bytes], str]
"""The text of a whole answer, if all other answers that are alike set the same facts but the usage; "" of any other."""
Counting = Callable[[list[int | None], TokenUsage], TokenUsage | None]
"""The usage that these counts are, in the order of Alike, with what else the one that was read in full says; None of those
that are read in full."""


class WholeAgain:
    """What one model's answers look like. See Alike, Reading and Counting."""

    __slots__ = (
        "_alike", "_behind", "_counting", "_counts", "_first", "_kinds", "_left", "_missed", "_reading", "_told",
        "_values",
    )  # fmt: skip

    def __init__(self, alike: Alike, reading: Reading, counting: Counting) -> None:
        self._alike = alike
        self._reading = reading
        self._counting = counting
        self._left = _TRIES
        self._missed = 0  # since nothing is left
        self._first = b""  # what stands before the first gap
        self._kinds = b""  # of each gap
        self._behind: list[bytes] = []  # what stands behind each
        self._counts: list[int | None] = []  # of the one that was learnt
        self._told = TokenUsage()  # its usage
        # of members that may be another, as they were first, b"" of those that have varied since
        self._values: dict[bytes, bytes] = {}

    def usage(self, body: bytes) -> TokenUsage | None:
        """Of such an answer; None of any other."""
        first, behinds, counts = self._first, self._behind, self._counts
        if not first or not body.startswith(first):
            return None
        at, size, counted = len(first), len(body), False
        for place, kind in enumerate(self._kinds):
            behind = behinds[place]
            begin = at
            if kind >= _NUMBER:
                value = 0
                while at < size and at - begin <= _DIGITS:
                    digit = body[at] - _ZERO
                    if not 0 <= digit <= 9:
                        break
                    value = value * 10 + digit
                    at += 1
                digits = at - begin
                if not 0 < digits <= _DIGITS or (digits > 1 and body[begin] == _ZERO):
                    return None
                if not body.startswith(behind, at):
                    return None
                if kind >= _COUNT:
                    if not counted:
                        counts, counted = counts.copy(), True
                    counts[kind - _COUNT] = value
            else:
                at = body.find(_QUOTE, begin)
                while at >= 0 and not body.startswith(behind, at):  # one that is escaped
                    at = body.find(_QUOTE, at + 1)
                if at < 0 or (kind == _TEXT and not SPEAKS[body[begin]]):
                    return None
                if _string(body[begin - 1 : at + 1]) is None:
                    return None
            at += len(behind)
        if at != size:
            return None
        return self._counting(counts, self._told) if counted else self._told

    def learn(self, body: bytes, told: TokenUsage) -> None:
        """An answer that was read in full, and was one. told: its usage."""
        if self._left:
            self._left -= 1
        else:
            self._missed = (self._missed + 1) % _PATIENCE
            if self._missed:
                return
        said = self._reading(body)
        self._first, self._told = b"", told
        if said and self._keep(body, said) and self._counting(self._counts, told) != told:
            self._first = b""  # a member of that name stands somewhere else

    def _keep(self, body: bytes, said: str) -> bool:
        """Nothing is kept where a member stands twice, or a character is told by its number beside the text: then it is not
        sure which bytes are which. What has not varied is no gap, so that nobody looks at it in each answer."""
        alike = self._alike
        where = _text_after(body, alike.text)
        text = _text(body, where) if where else None
        if text is None or _string(text[0]) != said:
            return False
        gaps = [(*text.span(1), _TEXT)]
        self._counts = [None] * len(alike.counts)
        for number, name in enumerate((*alike.counts, *alike.free)):
            counts, where = number < len(alike.counts), _after(body, name)
            found = _value(body, where) if where else None
            if counts and name + b":" in body and (found is None or found[2] is None):
                return False
            if found is None:
                continue
            if counts:
                self._counts[number] = int(found[2])
            if self._values.setdefault(name, found[0]) != found[0]:
                self._values[name] = b""
                kind = _STRING if found[2] is None else _COUNT + number if counts else _NUMBER
                gaps.append((*found.span(1 if kind == _STRING else 2), kind))
        for name in alike.often:
            gaps += self._gaps_of(body, name)
        gaps.sort()
        edges = [0, *(edge for begin, end, _ in gaps for edge in (begin, end)), len(body)]
        fixed = [body[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
        if sum(map(len, fixed)) > _MOST or any(b"\\u" in one for one in fixed):
            return False
        self._first, self._behind = fixed[0], fixed[1:]
        self._kinds = bytes(kind for _, _, kind in gaps)
        return True

    def _gaps_of(self, body: bytes, name: bytes) -> list[tuple[int, int, int]]:
        """See Alike.often: of each place where it has varied."""
        gaps: list[tuple[int, int, int]] = []
        places = _places(body, name)
        for number, where in enumerate(places if len(places) <= _OFTEN else ()):
            found, place = _value(body, where), b"%b%d" % (name, number)
            if found is not None and self._values.setdefault(place, found[0]) != found[0]:
                self._values[place] = b""
                text = found[2] is None
                gaps.append((*found.span(1 if text else 2), _STRING if text else _NUMBER))
        return gaps


def _places(body: bytes, name: bytes) -> list[int]:
    """Where the values of that member begin. In JSON only a name has a colon behind it, and no name with a quote before it
    stands in a string."""
    member = name + b":"
    found = []
    at = body.find(member)
    while at >= 0:
        at += len(member)
        found.append(at + 1 if body.startswith(b" ", at) else at)
        at = body.find(member, at)
    return found


def _after(body: bytes, name: bytes) -> int:
    """Where the value of that member begins; 0 where it does not stand there once."""
    found = _places(body, name)
    return found[0] if len(found) == 1 else 0


def _text_after(body: bytes, name: bytes) -> int:
    """Where the string of that member begins, if it is one once, and elsewhere surely none."""
    found = _places(body, name)
    if any(body[at : at + 1] not in _SURE for at in found):
        return 0
    texts = [at for at in found if body.startswith(_QUOTE, at)]
    return texts[0] if len(texts) == 1 else 0


def _string(text: bytes) -> str | None:
    """What that one string of JSON says; None where it is none."""
    try:
        return _decode(text)
    except UNREADABLE:
        return None
