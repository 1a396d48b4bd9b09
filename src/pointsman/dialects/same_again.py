"""Events of a stream that are the one before but for one string: almost all events of an answer's text. What they say is
read out of them without decoding the rest once more, which says what it said before.

Not here: which events change nothing but the text (each dialect's reader.py), and what a decoder refuses: that is read in
the usual way.
"""

from __future__ import annotations

import re

import msgspec

_decode = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_TRIES = 8
"""Events in a row that are learnt and not met again: a backend that writes something new in each is read as usual."""


_PLAIN = bytes(c for c in range(0x20, 0x7F) if c not in b'"\\')
_sound = re.compile(rb'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*+').fullmatch


def _is_sound(said: bytes) -> bool:
    """Is it the inside of a JSON string, with no escape that may be half a character?"""
    if not _sound(said):
        return False
    try:
        said.decode()
    except UnicodeDecodeError:
        return False
    return True


class SameAgain:
    """keys: of the members that may hold the text, as JSON."""

    __slots__ = ("_after", "_before", "_keys", "_left")

    def __init__(self, *keys: bytes) -> None:
        self._keys = [key + colon for key in keys for colon in (b":", b": ")]
        self._before = self._after = b""
        self._left = _TRIES

    def learn(self, event: bytes, text: str) -> None:
        """An event that was read in full and said this text. Nothing is learnt where something in it is escaped, or the
        member stands twice: then it is not sure which bytes are the text."""
        if not self._left or b"\\" in event:
            return
        self._left -= 1
        for key in self._keys:
            member = key + _encode(text)
            if event.count(member) == 1:
                before, after = event.split(member)
                self._before, self._after = before + key + b'"', b'"' + after
                return

    def text(self, event: bytes) -> str:
        """What it says, "" where it is another event, or says nothing."""
        before, after = self._before, self._after
        if not (before and event.startswith(before) and event.endswith(after)):
            return ""
        said = event[len(before) : len(event) - len(after)]
        if said.find(b'"') >= 0 or len(event) < len(before) + len(after):
            return ""
        try:
            text = _decode(b'"%b"' % said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self._left = _TRIES
        return text

    def inside(self, data: bytes, at: int, end: int) -> bytes | None:
        """The text's JSON where what stands there is such an event, and sound: it sets no fact, and can be passed unread."""
        before, after = self._before, self._after
        to = end - len(after)
        if not before or not data.startswith(before, at) or not data.startswith(after, to):
            return None
        at += len(before)
        said = data[at:to]
        if at > to or (said.translate(None, _PLAIN) and not _is_sound(said)):
            return None
        self._left = _TRIES
        return said

    def forget(self) -> None:
        """Another event came: what it changed is not known."""
        self._before = b""
