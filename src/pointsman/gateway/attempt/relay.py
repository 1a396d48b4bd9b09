"""What becomes of an upstream's streamed bytes on their way to the client: passed on, or with one chunk taken out.

A relay turns upstream bytes into client bytes and knows what has been seen. The third kind, which translates, is in
translate.py. Not here: when bytes may be sent (exchange.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol as TypingProtocol

from ...conversation.usage import TokenUsage
from ...dialects.base import Dialect, Seen
from ...errors import PointsmanError
from ...wire.sse import EventSplitter, cut_at_event_end

_TAIL_BYTES = 64 * 1024
"""Of an event still incomplete, so that an in-band error never lands in the middle of one."""


class Relay(TypingProtocol):
    """take() what came, send what it gives, then look(): the client's bytes do not wait for our counting."""

    @property
    def watch(self) -> Seen | None:
        """What has been seen; None when the stream cannot be read (compressed)."""

    @property
    def failure(self) -> PointsmanError | None:
        """What the upstream said in its stream, where that has been read as an error of ours."""

    @property
    def complete(self) -> bool:
        """The client's answer is whole though the upstream has not ended: let go of it."""

    def take(self, data: bytes) -> bytes:
        """Upstream bytes in, client bytes out: whole events only."""

    def look(self) -> None:
        """Read what was taken last."""

    def end(self) -> bytes:
        """The upstream's stream is over: the client's last bytes, if it was whole."""

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """An in-band error, wherever the stream stands."""

    def ping(self) -> bytes:
        """A keep-alive for a stream that has begun; b"" where nothing of ours may stand in it."""


class Passing:
    """Bytes as they came. One event is held back until it is whole, unless it is very large."""

    complete = False
    failure = None

    __slots__ = ("_dialect", "_in_event", "_last", "_splitter", "_tail", "watch")

    def __init__(self, dialect: Dialect, watch: Seen | None) -> None:
        self._dialect = dialect
        self.watch = watch
        self._splitter = EventSplitter()
        self._tail = b""
        self._last = b""
        self._in_event = False  # part of an event too large to hold back has been passed on

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        self._last = data
        if not self._tail and data.endswith(b"\n\n"):
            self._in_event = False
            return data
        whole = self._tail + data
        cut = cut_at_event_end(whole)
        self._in_event = len(whole) - cut > _TAIL_BYTES
        if self._in_event:
            cut = len(whole)
        self._tail = whole[cut:]
        return whole[:cut]

    def look(self) -> None:
        """See Relay."""
        watch = self.watch
        if watch is not None:
            for event in self._splitter.feed(self._last):
                watch.event(event)
        self._last = b""

    def end(self) -> bytes:
        """See Relay. A half event is not passed on: an error after it would be read as its other half."""
        watch = self.watch
        if watch is not None:
            rest = self._splitter.finish()
            if rest:  # a last event without its blank line
                watch.event(rest)
        tail, self._tail = self._tail, b""
        return tail

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay."""
        answer_id = self.watch.answer_id if self.watch is not None else None
        told = self._dialect.stream_error(error, request_id, answer_id)
        return b"\n\n" + told if self._in_event else told

    def ping(self) -> bytes:
        """See Relay: the stream is the upstream's, byte for byte."""
        return b""


class WithoutUsage:
    """The events as they came, less the usage-only chunk that is there because we asked for it."""

    complete = False
    failure = None

    __slots__ = ("_dialect", "_extra", "_splitter", "watch")

    def __init__(self, dialect: Dialect, watch: Seen, extra: Callable[[bytes], bool]) -> None:
        self._dialect = dialect
        self.watch: Seen = watch
        self._extra = extra
        self._splitter = EventSplitter()

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        kept = []
        for event in self._splitter.feed(data):
            self.watch.event(event)
            if not self._extra(event):
                kept.append(event + b"\n\n")
        return b"".join(kept)

    def look(self) -> None:
        """See Relay: take() has done it."""

    def end(self) -> bytes:
        """See Relay."""
        rest = self._splitter.finish()
        if not rest:
            return b""
        self.watch.event(rest)
        return b"" if self._extra(rest) else rest + b"\n\n"

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay."""
        return self._dialect.stream_error(error, request_id, self.watch.answer_id)

    def ping(self) -> bytes:
        """See Relay."""
        return b""


def usage_of(watch: Seen | None) -> TokenUsage | None:
    """What a watch has counted."""
    return watch.usage if watch is not None else None
