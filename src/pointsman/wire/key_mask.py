"""No client is shown a stored key: the one place where what goes to clients, and what is logged of it, loses keys.

Two ways, for two kinds of text. `body` and `error` are for errors and whatever else a backend says of itself: every form
of its key, and whatever looks like a key. `shown` is for all that passes: the forms of its own key, found by one search,
each replaced by as many stars so that no length changes. Not here: who calls them (gateway/request/delivery.py for all
that is sent, the relays for streams). docs/reliability-promises.md#stored-keys says what is promised.
"""

from __future__ import annotations

import base64
import re

from ..errors import PointsmanError

_MASK = b"***"
_SHAPE = re.compile(rb"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}")
"""What both vendors' keys look like, and those of the gateways that copy them: a backend that is
itself a client of another one may quote a key that we have never seen."""
_RUN = re.compile(rb"[A-Za-z0-9]+")
_NOWHERE = b"\xff"
"""No text in UTF-8 has it; one byte is found ten times as fast as several."""
_SHORT, _SURE = 8, 16
"""Bytes of a key. A local server's key may be a word (`ollama`, `none`), which no answer may lose; one that is shorter than
the first, or than the second and without a digit, is masked in errors only."""


class KeyMask:
    """key: the one that the backend is sent, b"" for none. probe: stands in whatever has the key in it, and hardly anywhere
    else; to be looked for before `shown` is called. masks: is there anything that `shown` hides?"""

    __slots__ = ("_every", "_forms", "_key", "masks", "probe")

    def __init__(self, key: bytes) -> None:
        self._key = key
        secret = len(key) >= _SURE or (len(key) >= _SHORT and any(48 <= byte < 58 for byte in key))
        self.masks = secret
        written = b"".join(map(_written, key))
        self._forms = re.compile(written) if secret else None
        every = [written, *map(re.escape, _base64_forms(key))] if secret else [re.escape(key)]
        self._every = re.compile(b"|".join(every)) if key else None
        runs = _RUN.findall(key) if secret else []
        self.probe = bytes(max(runs, key=len)) if runs else bytes(key) if secret else _NOWHERE

    def body(self, body: bytes) -> bytes:
        """A whole error, or a piece of one, without the keys in it: nothing else is changed."""
        if self._every is not None:
            body = self._every.sub(_MASK, body)
        return _SHAPE.sub(_MASK, body)

    def shown(self, data: bytes) -> bytes:
        """Anything else that goes to a client: its own key as stars, of the same length."""
        if self._forms is None or data.find(self.probe) < 0:
            return data
        return self._forms.sub(_stars, data)

    def hanging(self, data: bytes) -> int:
        """How many bytes at the end of a piece may be the beginning of the key, where an event or a body goes on."""
        key = self._key
        if self._forms is None:
            return 0
        at = data.find(key[:1], max(0, len(data) - len(key) + 1))
        while at >= 0:
            if key.startswith(data[at:]):
                return len(data) - at
            at = data.find(key[:1], at + 1)
        return 0

    def error(self, error: PointsmanError) -> PointsmanError:
        """The same error, its texts changed."""
        error.public = self.text(error.public)
        error.args = (error.public,)
        error.param = None if error.param is None else self.text(error.param)
        error.code = None if error.code is None else self.text(error.code)
        return error

    def text(self, text: str) -> str:
        """`body` of a text."""
        return self.body(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _written(byte: int) -> bytes:
    """A character as itself, as JSON may escape it, and percent-encoded."""
    character = re.escape(bytes((byte,)))
    low, high = b"%02x" % byte, b"%02X" % byte
    escaped = b"" if bytes((byte,)).isalnum() else rb"|\\" + character
    return b"(?:%b|\\\\u00(?:%b|%b)|%%(?:%b|%b)%b)" % (character, low, high, low, high, escaped)


def _base64_forms(key: bytes) -> set[bytes]:
    """What base64, of either alphabet, makes of it at each place that it can stand: the characters that are its alone."""
    found = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + key)
        own = text[(before * 8 + 5) // 6 : (before + len(key)) * 8 // 6]
        found |= {own, own.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])
