"""Events of a stream that are the one before but for one string: almost all events of an answer's text. What they say is
read out of them without decoding the rest once more, which says what it said before.

Not here: which events change nothing but the text, and which members may be different in each and say nothing (each
dialect's seen.py and reader.py), and what a decoder refuses: that is read in the usual way.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

_decode = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_ZERO = ord("0")
_TEXT, _STRING, _NUMBER = range(3)
"""What may be another in each event."""
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
    return not said.translate(None, _PLAIN)


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


def _is_number(said: bytes) -> bool:
    """A whole one, as JSON has it?"""
    return said.isdigit() and (said[0] != _ZERO or len(said) == 1)


@cache
def _begun(keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """As members with these names begin. Every stream has the same ones, and there may be ten thousand."""
    return tuple(key + colon for key in keys for colon in (b":", b": "))


class SameAgain:
    """keys: of the members that may hold the text, as JSON. free: of those whose string or number may be another in each
    event, and which no reader looks at. probe: an event with this in it is another; None where there is no such thing.
    tail: what stands behind each that inside() is asked of, and is not learnt. said: characters of all that it found."""

    __slots__ = (
        "_after", "_before", "_between", "_free", "_keys", "_kind", "_left", "_met", "_probe", "_tail", "_values",
        "said",
    )  # fmt: skip

    def __init__(
        self,
        keys: tuple[bytes, ...],
        free: tuple[bytes, ...] = (),
        probe: bytes | None = None,
        tail: bytes = b"",
    ) -> None:
        self._keys = _begun(keys)
        self._free = _begun(free)
        self._probe = probe
        self._tail = tail
        self._left = _TRIES
        # What stands before the first gap, and behind the last, and of what kind that is; of each before it the kind, what
        # stands behind it, and how much stood in it last.
        self._before = self._after = b""
        self._between: list[list[Any]] = []
        self._kind = _TEXT
        self._values: dict[
            bytes, bytes
        ] = {}  # of the free members as they were first, b"" of those that have varied since
        self._met = self.said = 0

    def learn(self, event: bytes, text: str) -> None:
        """An event that was read in full and said this text. Nothing is learnt where something in it is escaped, or the
        member stands twice: then it is not sure which bytes are the text."""
        if self.said > self._met:
            self._met, self._left = self.said, _TRIES
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
        """begin, end: of the text. A free member is no gap before it varies, so that nobody looks at it in each event."""
        gaps = [(begin, end, _TEXT)]
        for key in self._free:
            if event.count(key) == 1:
                found = _value(event, event.index(key) + len(key))
                if found is not None and self._values.setdefault(key, found[0]) != found[0]:
                    self._values[key] = b""
                    group, kind = (1, _STRING) if found[2] is None else (2, _NUMBER)
                    gaps.append((found.start(group), found.end(group), kind))
        gaps.sort()
        self._before, self._after = event[: gaps[0][0]], event[gaps[-1][1] :] + self._tail
        self._kind = gaps[-1][2]
        self._between = [
            [kind, event[stop : gap[0]], stop - start] for (start, stop, kind), gap in pairwise(gaps)
        ]

    def text(self, event: bytes) -> str:
        """What it says, "" where it is another event, or says nothing."""
        before = self.said
        text = self.inside(event, 0, len(event))
        if self.said - before == len(text):  # as many characters as bytes: none of them is escaped
            return text.decode()
        return _decode(b'"%b"' % text)

    def inside(self, data: bytes, at: int, end: int) -> bytes:
        """What such an event with its tail says that stands there, and is sound: it sets no fact, and can be passed unread.
        b"" where it is another, or says nothing."""
        # All in one go: where this runs as Python, calls were half of what an event cost.
        before, after = self._before, self._after
        to = end - len(after)
        if not before or not data.startswith(before, at) or not data.startswith(after, to):
            return b""
        if self._probe is not None and data.find(self._probe, at, end) >= 0:
            return b""
        at += len(before)
        text = b""
        if self._between:
            for gap in self._between:
                kind, fixed, last = gap
                stop = at + last  # as long as the last: often, and then nothing is searched
                if not data.startswith(fixed, stop):
                    stop = self._stop(data, at, to, gap)
                    if stop < 0:
                        return b""
                said = data[at:stop]
                if kind == _STRING:
                    if not said.isalnum() and not _is_sound(said):
                        return b""
                elif kind == _TEXT:
                    text = said
                elif not _is_number(said):
                    return b""
                at = stop + len(fixed)
        if at > to:
            return b""
        if self._kind == _TEXT:
            text = data[at:to]
        elif not (_is_sound if self._kind == _STRING else _is_number)(data[at:to]):
            return b""
        if text.lstrip(b" ").isalnum():  # a word is by far the commonest
            self.said += len(text)
        elif not _is_sound(text):
            return b""
        else:
            self.said += len(text if _is_plain(text) else _decode(b'"%b"' % text))
        return text

    def _stop(self, data: bytes, at: int, to: int, gap: list[Any]) -> int:
        """Where that gap ends, if it is no longer as long as it was; -1 nowhere."""
        fixed = gap[1]
        mark = fixed[:1]
        stop = data.find(mark, at, to)  # a search for all of `fixed` costs three times as much
        while stop >= 0 and not data.startswith(fixed, stop):
            stop = data.find(mark, stop + 1, to)
        if stop >= 0:
            gap[2] = stop - at
        return stop

    def forget(self) -> None:
        """Another event came: what it changed is not known."""
        self._before = b""
