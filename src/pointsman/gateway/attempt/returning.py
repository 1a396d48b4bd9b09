"""The codec of an attempt whose request went with placeholders: another one's, whose answers get back what they stand for.
A whole answer is held to its end. An error keeps them, as does what is no text.

Not here: how that is done (customs/putting_back.py), and what went in the first place (customs.py).
"""

from __future__ import annotations

from ...customs.placeholders import Placeholders
from ...customs.putting_back import PuttingBack
from ...dialects.base import Seen
from ...dialects.framing import EVENTS, Framing
from ...errors import PointsmanError
from ...wire.answer import Answer, Headers
from .answer import is_event_stream
from .passthrough import Codec
from .relay import Relay


class ReturningRelay:
    """A relay whose bytes get them back."""

    def __init__(self, inner: Relay, back: PuttingBack) -> None:
        self.inner = inner
        self._back = back

    @property
    def seen(self) -> Seen | None:
        """See Relay."""
        return self.inner.seen

    @property
    def untold(self) -> PointsmanError | None:
        """See Relay."""
        return self.inner.untold

    @property
    def complete(self) -> bool:
        """See Relay."""
        return self.inner.complete

    @property
    def said(self) -> int:
        """See Relay."""
        return self.inner.said

    @property
    def matched(self) -> bool:
        """See Relay."""
        return self.inner.matched

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        return self._back.feed(self.inner.take(data))

    def end(self) -> bytes:
        """See Relay."""
        return self._back.feed(self.inner.end()) + self._back.finish()

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay."""
        return self._back.finish() + self.inner.fail(error, request_id)

    def ping(self) -> bytes:
        """See Relay."""
        return self.inner.ping()


class Returning:
    """inner: the codec that it is for. framing: of a stream to the client."""

    translated = True

    def __init__(self, inner: Codec, back: Placeholders, framing: Framing) -> None:
        self._inner = inner
        self._known = back.known
        self._lines = framing is not EVENTS
        self.body, self.path, self.mask = inner.body, inner.path, inner.mask
        self.media, self.note = inner.media, inner.note

    @property
    def warnings(self) -> bytes:
        """See Codec."""
        return self._inner.warnings

    @warnings.setter
    def warnings(self, told: bytes) -> None:
        self._inner.warnings = told

    @property
    def member(self) -> bytes:
        """See Codec."""
        return self._inner.member

    @property
    def collects(self) -> bool:
        """See Codec."""
        return self._inner.collects

    def relay(self) -> Relay:
        """See Codec."""
        return ReturningRelay(self._inner.relay(), PuttingBack(self._known, lines=self._lines))

    def whole(self, headers: Headers, body: bytes) -> tuple[Answer | None, Seen | None]:
        """See Codec."""
        answer, seen = self._inner.whole(headers, body)
        return None if answer is None else self._back(answer), seen

    def error(self, answer: Answer) -> PointsmanError:
        """See Codec."""
        return self._inner.error(answer)

    def rendered(self, answer: Answer) -> Answer:
        """See Codec."""
        return self._inner.rendered(answer)

    def failed(self, error: PointsmanError, headers: Headers, body: bytes | None) -> Answer:
        """See Codec."""
        return self._inner.failed(error, headers, body)

    def head_lines(self, headers: Headers) -> Headers:
        """See Codec."""
        return self._inner.head_lines(headers)

    def collected(self, relay: Relay, headers: Headers, stream: bytes) -> Answer:
        """See Codec."""
        inner = relay.inner if isinstance(relay, ReturningRelay) else relay
        return self._back(self._inner.collected(inner, headers, stream))

    def _back(self, answer: Answer) -> Answer:
        back = PuttingBack(self._known, lines=self._lines)
        streams = is_event_stream(answer.headers)
        answer.body = back.stream(answer.body) if streams else back.body(answer.body)
        return answer
