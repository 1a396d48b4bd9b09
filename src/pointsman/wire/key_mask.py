"""No error shows a key: the one place where an upstream's error text loses those that it quotes.

"Incorrect API key provided: sk-..." must not tell the client which key this gateway sends. Every
error text toward a client passes here, whole or inside a stream, before content or after it; the
log's lines are made of the same errors. Not here: answers that are no errors, and the events of a
stream that passes as it came.
"""

from __future__ import annotations

import re

from ..errors import PointsmanError

_MASK = b"***"
_SHAPE = re.compile(rb"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}")
"""What both vendors' keys look like, and those of the gateways that copy them: a backend that is
itself a client of another one may quote a key that we have never seen."""


class KeyMask:
    """key: the one that the backend is sent, b"" for none."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def body(self, body: bytes) -> bytes:
        """A whole error, or a piece of one, without the keys in it: nothing else is changed."""
        if self._key:
            body = body.replace(self._key, _MASK)
        return _SHAPE.sub(_MASK, body)

    def error(self, error: PointsmanError) -> PointsmanError:
        """The same error, its texts changed."""
        error.public = self._text(error.public)
        error.args = (error.public,)
        error.param = None if error.param is None else self._text(error.param)
        error.code = None if error.code is None else self._text(error.code)
        return error

    def _text(self, text: str) -> str:
        return self.body(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
