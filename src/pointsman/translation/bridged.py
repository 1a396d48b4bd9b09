"""A request that crosses a bridge (dialects/bridge.py): embeddings in, the same of another protocol out, and the answer
back. The third of the gateway's codecs (gateway/attempt/passthrough.Codec), for what has no neutral form and never streams.

Not here: what of a request goes where (the dialect's own bridge), and when bytes are sent (gateway/attempt).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic_ns

from ..conversation.notes import Notes
from ..dialects.base import Dialect, Seen
from ..dialects.bridge import Bridge
from ..dialects.fields import load
from ..dialects.headers import cross_headers
from ..dialects.media import Media
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.answer import Answer, Headers
from ..wire.http1 import RequestHead
from ..wire.key_mask import KeyMask

log = logging.getLogger("pointsman.translation")


class Unasked:
    """A relay of a stream that nobody asked for and that is no answer: what comes is seen, and nothing of it is told."""

    untold: PointsmanError | None = None
    complete = False
    matched = False
    said = 0

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        self.seen.event(data)
        return b""

    def end(self) -> bytes:
        """See Relay."""
        return b""

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay."""
        return b""

    def ping(self) -> bytes:
        """See Relay."""
        return b""


class Bridged:
    """One attempt's. warnings: the value of `x-pointsman-warnings`."""

    translated = True
    collects = True
    media: Media | None = None
    note: Callable[[str], None] | None = None
    inside: bool | None = None  # of reasoning, as Crossing tells it

    __slots__ = (
        "_began",
        "_bridge",
        "_client",
        "_count",
        "_id",
        "_model",
        "_upstream",
        "body",
        "mask",
        "path",
        "warnings",
    )

    def __init__(
        self,
        bridge: Bridge,
        client: Dialect,
        upstream: Dialect,
        body: bytes,
        head: RequestHead,
        request_id: str,
        models: tuple[str, str],
        mask: KeyMask,
    ) -> None:
        """models: the client's name, and the target's. Raises PointsmanError 400."""
        self._began = monotonic_ns()
        self._bridge, self._client, self._upstream = bridge, client, upstream
        self._id = request_id
        self._model, target = models
        self.mask = mask
        notes = Notes(head.get(b"x-pointsman-strict") == b"1")
        self.body, self._count = bridge.request(load(body, notes, peeked=True), target, notes)
        self.path = upstream.endpoint.path.encode()
        self.warnings = notes.header()

    @property
    def member(self) -> bytes:
        """See Codec."""
        return self._upstream.seen().member

    def relay(self) -> Unasked:
        """See Codec."""
        return Unasked(self._upstream.seen())

    def whole(self, headers: Headers, body: bytes) -> tuple[Answer | None, Seen | None]:
        """See Codec."""
        seen = self._upstream.seen()
        seen.whole(body)
        if seen.error is not None or not seen.output:
            return None, seen
        try:
            told = self._bridge.reply(body, self._count, self._model, monotonic_ns() - self._began)
        except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            seen.conclude(f"The backend's answer holds no {self._bridge.to.value}.")
            log.info("request %s: an answer that cannot be told: %s", self._id, error)
            return None, seen
        return Answer(200, self.head_lines(headers), told), seen

    def collected(self, relay: object, headers: Headers, stream: bytes) -> Answer:
        """See Codec: an answer never comes so."""
        error = PointsmanError(ErrorKind.UPSTREAM_ERROR, "The backend answered with a stream.")
        return self.failed(error, headers, None)

    def error(self, answer: Answer) -> PointsmanError:
        """See Codec."""
        return self.mask.error(self._upstream.parse_error(answer.status, self.mask.body(answer.body)))

    def rendered(self, answer: Answer) -> Answer:
        """See Codec."""
        if 300 <= answer.status < 400:
            return answer
        return self.failed(self.error(answer), answer.headers, None)

    def failed(self, error: PointsmanError, headers: Headers, body: bytes | None) -> Answer:
        """See Codec. In the client's protocol, whatever the backend's own body is."""
        told = self._client.error(self.mask.error(error), self._id)
        return Answer(self._client.status(error), self.head_lines(headers), told)

    def head_lines(self, headers: Headers) -> Headers:
        """See Codec."""
        kept = cross_headers(headers, self._client.endpoint.rate_limits)
        return [(b"content-type", b"application/json"), *kept]
