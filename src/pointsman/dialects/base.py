"""What every dialect offers, whichever the protocol. Shapes only; the protocols are in the folders beside this file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as TypingProtocol

from ..conversation.usage import TokenUsage
from ..errors import PointsmanError
from ..kinds import Protocol


class Watch(TypingProtocol):
    """Reads an answer as it passes; changes nothing.

    output: real output has come (text, reasoning, a tool call, a refusal): the commit point of DESIGN.md section 5.
    finished: the protocol's own end was seen, so the stream was not cut. error: the text of an error the backend
    sent in the stream. answer_id: the id that every event of the answer carries, where the protocol has one. usage:
    what it reported so far. malformed: events that were not what the protocol allows.
    """

    output: bool
    finished: bool
    answer_id: str | None
    error: str | None
    usage: TokenUsage | None
    malformed: int

    def event(self, event: bytes) -> None:
        """One server-sent event, as wire.sse gives it."""

    def whole(self, body: bytes) -> bool:
        """A whole answer. False when it is not JSON of this protocol at all."""


class StreamError(TypingProtocol):
    """Renders an error inside a stream that has begun. answer_id: the watch's; clients refuse an id that changes."""

    def __call__(self, error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
        """Complete events, without anything that looks like a clean end."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol. error: an error as a whole body. stream_error: the same inside a stream. extra_usage(event): is
    this the usage-only
    chunk that only exists because we asked for usage?"""

    protocol: Protocol
    error: Callable[[PointsmanError, str], bytes]
    stream_error: StreamError
    watch: Callable[[], Watch]
    extra_usage: Callable[[bytes], bool] | None = None
