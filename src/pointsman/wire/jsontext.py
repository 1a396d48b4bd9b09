"""JSON text that comes in pieces: one string member of an object, decoded while the object still streams (`{"input":
"free text...` -> free text), and whether a text has been closed.

Lenient: a model that answers with plain text instead of the object gets its text through. Not a JSON parser.
"""

from __future__ import annotations

import re

import msgspec

from .surrogates import decode

_ESCAPE = re.compile(r'\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])')
_PLAIN = re.compile(r'[^"\\]+')
_SIMPLE = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

_MARK = re.compile(r'["{}\[\]]')
_IN_STRING = re.compile(r'["\\]')


class Closing:
    """Is a JSON text closed, or was it cut? feed(text) piece by piece; `closed` at any time. Memory: three words, however
    long the text. Nothing at all is closed, and so is what is no JSON but has nothing open."""

    __slots__ = ("_depth", "_escaped", "_quoted", "begun")

    def __init__(self) -> None:
        self.begun = False
        self._depth = 0
        self._quoted = False
        self._escaped = False  # the piece ended after a backslash

    def feed(self, text: str) -> None:
        """More of the text."""
        if not text:
            return
        self.begun = True
        at = 1 if self._escaped else 0
        self._escaped = False
        while (mark := (_IN_STRING if self._quoted else _MARK).search(text, at)) is not None:
            at = mark.end()
            match mark[0]:
                case '"':
                    self._quoted = not self._quoted
                case "\\":
                    self._escaped = at == len(text)
                    at += 1
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth -= 1

    @property
    def closed(self) -> bool:
        """True while nothing is open."""
        return not self._quoted and self._depth <= 0


class StringReader:
    """feed(text) -> decoded text of the member named `key`, as far as it is known; finish() -> what is left."""

    __slots__ = ("_done", "_high", "_key", "_pending", "_state")

    def __init__(self, key: str) -> None:
        self._key = re.compile(r'\s*\{\s*"' + re.escape(key) + r'"\s*:\s*"')
        self._state = "before"
        self._pending = ""
        self._high = ""
        self._done = False

    def feed(self, text: str) -> str:
        """More of the object's text."""
        if self._state == "after":
            return ""
        self._pending += text
        if self._state == "before":
            match = self._key.match(self._pending)
            if match is None:
                return ""  # not begun, or not what was expected: judged in finish()
            self._pending = self._pending[match.end() :]
            self._state = "inside"
        return self._inside()

    def _inside(self) -> str:
        out: list[str] = []
        text, at = self._pending, 0
        while at < len(text):
            if text[at] == '"':
                self._state = "after"
                at = len(text)
                break
            if text[at] != "\\":
                match = _PLAIN.match(text, at)
                assert match is not None
                out.append(self._lone() + match[0])
                at = match.end()
                continue
            match = _ESCAPE.match(text, at)
            if match is None:
                if len(text) - at < 6:
                    break  # the escape's other half is on its way
                out.append(text[at])
                at += 1
                continue
            out.append(self._unescaped(match[0]))
            at = match.end()
        self._pending = text[at:]
        return "".join(out)

    def _unescaped(self, escape: str) -> str:
        if escape[1] != "u":
            return self._lone() + _SIMPLE[escape[1]]
        code = int(escape[2:], 16)
        if 0xD800 <= code < 0xDC00:
            lone, self._high = self._lone(), chr(code)
            return lone
        if 0xDC00 <= code < 0xE000:
            if not self._high:
                return "\ufffd"
            pair, self._high = self._high + chr(code), ""
            return pair.encode("utf-16", "surrogatepass").decode("utf-16")
        return self._lone() + chr(code)

    def _lone(self) -> str:
        """A high surrogate whose other half never came."""
        if not self._high:
            return ""
        self._high = ""
        return "\ufffd"

    def finish(self) -> str:
        """The object's text is over. What never looked like the object is given as it was."""
        if self._state == "inside":
            return self._pending
        if self._state == "before":
            return _looked_up(self._pending, self._key)
        return ""


def _looked_up(text: str, key: re.Pattern[str]) -> str:
    """The member of an object that has others before it; else the text itself."""
    try:
        value = decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return text
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        found = value.get("input")
        if isinstance(found, str):
            return found
        if not value:
            return ""
    return text
