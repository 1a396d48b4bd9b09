"""Between a connection and its sink, for an answer that came compressed against our wish: the sink gets it plain.

It stands in both ways: as the connection's sink, and, for who gets the answer, as the connection. What a slow client
does not take is not decoded either. Not here: the codings (wire/coding.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from ..kinds import FallbackReason
from ..wire.answer import Headers
from ..wire.coding import CodingError, Decoding
from .connection import UpstreamConnection
from .sink import Sink


class Decoded:
    """See the module's text. Takes the sink's place at `conn` by being made."""

    def __init__(self, conn: UpstreamConnection, sink: Sink, decoder: Decoding) -> None:
        self._conn: UpstreamConnection | None = conn
        self._sink: Sink | None = sink
        self._decoder = decoder
        self._pieces: Iterator[bytes] = iter(())
        self._coded: deque[bytes] = deque()
        self._over: Callable[[Sink], None] | None = None  # how the connection ended
        self._paused = False
        conn.through(self)

    # -- Sink

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        """See Sink. The head has been given already."""

    def body(self, data: bytes) -> None:
        """See Sink."""
        self._coded.append(data)
        self._give()

    def end(self) -> None:
        """See Sink."""
        self._conn = None
        self._over = self._end
        self._give()

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        """See Sink."""
        self._conn = None
        self._over = lambda sink: sink.failed(reason, detail, received)
        self._give()

    def broke(self, error: Exception) -> None:
        """See Sink."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.broke(error)

    # -- what the attempt uses of a connection

    def pause(self) -> None:
        """See UpstreamConnection."""
        self._paused = True
        if self._conn is not None:
            self._conn.pause()

    def resume(self) -> None:
        """See UpstreamConnection."""
        self._paused = False
        self._give()
        if not self._paused and self._conn is not None:
            self._conn.resume()

    def close(self) -> None:
        """See UpstreamConnection."""
        self._sink = None
        if self._conn is not None:
            self._conn.close()

    def drain(self) -> None:
        """See UpstreamConnection."""
        self._sink = None
        if self._conn is not None:
            self._conn.drain()

    # -- inside

    def _give(self) -> None:
        """Until there is no more, or nobody wants it now."""
        while self._sink is not None and not self._paused:
            try:
                piece = next(self._pieces, b"")
            except CodingError as error:
                self._damaged(str(error))
                return
            if piece:
                self._sink.body(piece)
            elif self._coded:
                self._pieces = self._decoder.feed(self._coded.popleft())
            else:
                if self._over is not None:
                    sink, self._sink = self._sink, None
                    self._over(sink)
                return

    def _end(self, sink: Sink) -> None:
        if self._decoder.whole:
            sink.end()
        else:
            sink.failed(FallbackReason.UPSTREAM_ERROR, "it cut its compressed answer", True)

    def _damaged(self, how: str) -> None:
        sink, self._sink = self._sink, None
        if self._conn is not None:
            self._conn.close()
        if sink is not None:
            detail = f"it compressed its answer, which was not asked for, and damaged: {how}"
            sink.failed(FallbackReason.MALFORMED, detail, True)
