"""Events of a stream that are the one before but for one string: almost all events of an answer's text. What they say is
read out of them without decoding the rest once more, which says what it said before.

Not here: which events change nothing but the text (each dialect's reader.py), and what a decoder refuses: that is read in
the usual way.
"""

from __future__ import annotations

import msgspec

_decode = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_TRIES = 8
"""Events in a row that are learnt and not met again: a backend that writes something new in each is read as usual."""


class SameAgain:
    """key: the member that holds the text, as JSON."""

    __slots__ = ("_after", "_before", "_keys", "_left")

    def __init__(self, key: bytes) -> None:
        self._keys = (key + b":", key + b": ")
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

    def forget(self) -> None:
        """Another event came: what it changed is not known."""
        self._before = b""
