"""The way of a request that is not translated: its bytes upstream, and what is made of the answer.

translate.py has the other way, with the same methods. Not here: when bytes are sent (exchange.py).
"""

from __future__ import annotations

from typing import Protocol as TypingProtocol

from ...conversation.usage import TokenUsage
from ...dialects.base import Dialect, Seen
from .answer import Answer, Headers
from .relay import Passing, Relay, WithoutUsage

Whole = tuple[Answer, TokenUsage | None, bool]
"""The client's answer, what it used, and whether the model refused."""


BAD_EVENTS = 3
"""In a translated stream an event that cannot be read is left out and noted; so many are a failure."""


class Malformed(ValueError):
    """A whole answer that is not one of the protocol."""


class Empty(ValueError):
    """A whole answer of the right shape that says nothing, and not why."""


class FailedInside(ValueError):
    """An answer with status 200 that says inside that it failed."""


class Way(TypingProtocol):
    """From one attempt's request to its answer.

    body: the request's bytes for this target. path: where it is posted, query included. translated: nothing of a whole
    answer can be sent before all of it is there.
    """

    translated: bool

    body: bytes
    path: bytes

    def relay(self, readable: bool) -> Relay:
        """For an answer that streams. readable: False when it is compressed."""

    def whole(self, headers: Headers, body: bytes, readable: bool) -> Whole:
        """A whole answer with status 2xx as the client gets it. Raises Malformed, Empty, FailedInside."""

    def told(self, answer: Answer) -> Answer:
        """Any other answer (an error, a 304) as the client gets it."""

    def head_lines(self, headers: Headers) -> Headers:
        """The upstream's headers for a stream."""

    def collected(self, relay: Relay, headers: Headers) -> tuple[Answer, TokenUsage | None] | None:
        """The whole answer of a stream that the client did not ask for; None when the client gets the stream."""


class Straight:
    """Same protocol on both ends: bytes as they came."""

    translated = False

    __slots__ = ("_dialect", "_hide_usage", "_known", "_speaks", "body", "path")

    def __init__(self, dialect: Dialect, path: bytes, body: bytes, *, known: bool, hide_usage: bool) -> None:
        """known: the path is one whose answers the dialect can read."""
        own = dialect.endpoint.path.encode()
        self._speaks = dialect.translation is not None and path.partition(b"?")[0] == own
        self._dialect = dialect
        self._known = known
        self._hide_usage = hide_usage
        self.path = path
        self.body = body

    def relay(self, readable: bool) -> Relay:
        """See Way."""
        watch: Seen | None = self._dialect.seen() if self._known and readable else None
        extra = self._dialect.extra_usage
        if self._hide_usage and watch is not None and extra is not None:
            return WithoutUsage(self._dialect, watch, extra)
        return Passing(self._dialect, watch)

    def whole(self, headers: Headers, body: bytes, readable: bool) -> Whole:
        """See Way."""
        answer = Answer(200, headers, body)
        if not (self._known and readable):
            return answer, None, False
        watch = self._dialect.seen()
        if not watch.whole(body):
            raise Malformed("its answer is not JSON")
        if watch.error is not None:
            raise FailedInside(watch.error.public)
        if self._speaks and not watch.output:
            raise Empty("its answer was empty")
        return answer, watch.usage, watch.refused

    def told(self, answer: Answer) -> Answer:
        """See Way."""
        return answer

    def head_lines(self, headers: Headers) -> Headers:
        """See Way."""
        return headers

    def collected(self, relay: Relay, headers: Headers) -> tuple[Answer, TokenUsage | None] | None:
        """See Way."""
        return None
