"""Who takes a backend's answer from its connection. Shapes only; the connection is connection.py."""

from __future__ import annotations

from typing import Protocol

from ..kinds import FallbackReason
from ..wire.answer import Headers


class Sink(Protocol):
    """Who gets an answer. Exactly one of end() and failed() is called, last; broke() too where any of
    the calls raised, and then nothing more: whoever waits for it is told, whatever went wrong."""

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        """Status and headers (lower-case names). length: Content-Length, None when not said."""

    def body(self, data: bytes) -> None:
        """A piece of the body, transfer coding removed."""

    def end(self) -> None:
        """The answer is complete by its framing."""

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        """It will not be. received: did any byte of the answer come?"""

    def broke(self, error: Exception) -> None:
        """A fault of ours: one of the other calls raised. Must not raise."""


class RawSink(Protocol):
    """Who takes an answer's bytes as they come, framing and all, as long as that is plain; then read_on()."""

    def arrived(self, data: bytes) -> None:
        """What has come."""

    def failed(self, reason: FallbackReason, detail: str, received: bool) -> None:
        """See Sink."""

    def broke(self, error: Exception) -> None:
        """See Sink."""
