"""Events of a stream that are the one before but for one string: almost all events of an answer's text. What they say is
read out of them without decoding the rest once more, which says what it said before.

Not here: which events change nothing but the text, and which members may be different in each and say nothing (each
dialect's seen.py and reader.py), and what a decoder refuses: that is read in the usual way.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import msgspec

_decode = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_ZERO = ord("0")
_TRIES = 8
"""Events in a row that are learnt and not met again: a backend that writes something new in each is read as usual."""
_PLAIN = bytes(c for c in range(0x20, 0x7F) if c not in b'"\\')
_sound = re.compile(
    rb'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))*+"
).fullmatch
_value = re.compile(rb'(?:"([^"\\]*)"|(0|[1-9][0-9]*))(?=[,}])').match


def _is_plain(said: bytes) -> bool:
    """Is each byte of it a character?"""
    return said.lstrip(b" ").isalnum() or not said.translate(None, _PLAIN)  # a word is by far the commonest


def _is_sound(said: bytes) -> bool:
    """Is it the inside of a JSON string, with no escape that is half a character?"""
    if _is_plain(said):
        return True
    if not _sound(said):
        return False
    try:
        said.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _begun(keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """As members with these names begin. Every stream has the same ones, and there may be ten thousand."""
    return tuple(key + colon for key in keys for colon in (b":", b": "))


class SameAgain:
    """keys: of the members that may hold the text, as JSON. free: of those whose string or number may be another in each
    event, and which no reader looks at. length: characters of the text that inside() found last."""

    __slots__ = (
        "_after", "_before", "_begin", "_between", "_end", "_free", "_keys", "_last", "_left", "_strings", "_text", "length",
    )  # fmt: skip

    def __init__(self, keys: tuple[bytes, ...], free: tuple[bytes, ...] = ()) -> None:
        self._keys = _begun(keys)
        self._free = _begun(free)
        self._left = _TRIES
        # What stands before the first gap, and behind the last; between the gaps, if there are several, with which of
        # the gaps are strings, and which is the text.
        self._before = self._after = b""
        self._between: list[tuple[bytes, bytes]] = []  # and its first byte
        self._strings: list[bool] = []
        self._last: list[int] = []  # how much stood in each gap
        self._text = 0
        self._begin = self._end = self.length = 0

    def learn(self, event: bytes, text: str) -> None:
        """An event that was read in full and said this text. Nothing is learnt where something in it is escaped, or the
        member stands twice: then it is not sure which bytes are the text."""
        if not self._left or b"\\" in event:
            return
        self._left -= 1
        said = _encode(text)
        for key in self._keys:
            if event.count(key + said) == 1:
                at = event.index(key + said) + len(key) + 1
                self._keep(event, at, at + len(said) - 2)
                return

    def _keep(self, event: bytes, begin: int, end: int) -> None:
        """begin, end: of the text."""
        gaps = [(begin, end, True)]
        for key in self._free:
            if event.count(key) == 1:
                found = _value(event, event.index(key) + len(key))
                if found is not None:
                    group = 1 if found[2] is None else 2
                    gaps.append((found.start(group), found.end(group), group == 1))
        gaps.sort()
        self._text = gaps.index((begin, end, True))
        self._before, self._after = event[: gaps[0][0]], event[gaps[-1][1] :]
        self._strings = [string for _, _, string in gaps]
        self._last = [stop - start for start, stop, _ in gaps]
        self._between = [
            (event[one[1] : other[0]], event[one[1] : one[1] + 1]) for one, other in pairwise(gaps)
        ]

    def text(self, event: bytes) -> str:
        """What it says, "" where it is another event, or says nothing."""
        if not self._finds(event, 0, len(event)):
            return ""
        try:
            text = _decode(event[self._begin - 1 : self._end + 1])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self._left = _TRIES
        return text

    def inside(self, data: bytes, at: int, end: int) -> bool:
        """Is what stands there such an event, and sound? It sets no fact, and can be passed unread."""
        if not self._finds(data, at, end):
            return False
        said = data[self._begin : self._end]
        if _is_plain(said):
            self.length = self._end - self._begin
        elif _is_sound(said):
            self.length = len(_decode(data[self._begin - 1 : self._end + 1]))
        else:
            return False
        self._left = _TRIES
        return True

    def _finds(self, data: bytes, at: int, end: int) -> bool:
        """Is it such an event, if its text is sound? Where that stands, _begin and _end say."""
        before, after = self._before, self._after
        to = end - len(after)
        if not before or not data.startswith(before, at) or not data.startswith(after, to):
            return False
        at += len(before)
        if at > to:
            return False
        if self._between:
            return self._finds_several(data, at, to)
        self._begin, self._end = at, to
        return True

    def _finds_several(self, data: bytes, at: int, to: int) -> bool:
        place = 0
        for fixed, mark in self._between:
            stop = at + self._last[place]  # as long as the last: often, and then nothing is searched
            if stop > to or not data.startswith(fixed, stop):
                stop = data.find(mark, at, to)  # a search for all of `fixed` costs three times as much
                while stop >= 0 and not data.startswith(fixed, stop):
                    stop = data.find(mark, stop + 1, to)
                if stop < 0:
                    return False
                self._last[place] = stop - at
            if not self._takes(place, data, at, stop):
                return False
            at = stop + len(fixed)
            place += 1
        return at <= to and self._takes(place, data, at, to)

    def _takes(self, place: int, data: bytes, begin: int, end: int) -> bool:
        """May this stand in the gap of that number?"""
        if place == self._text:
            self._begin, self._end = begin, end
            return True
        said = data[begin:end]
        if self._strings[place]:
            return _is_sound(said)
        return said.isdigit() and (said[0] != _ZERO or end == begin + 1)

    def forget(self) -> None:
        """Another event came: what it changed is not known."""
        self._before = b""
