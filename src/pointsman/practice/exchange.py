"""What is received and what is replied, as plain values: requests, replies, parts of replies. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal


class Signal(Enum):
    """What a reply does instead of sending bytes."""

    CUT = "cut"  # close now, in good order (FIN), without the end that the framing promises
    RESET = "reset"  # close now with a TCP reset
    STALL = "stall"  # send nothing more, keep the connection until the client leaves or the server stops


CUT = Signal.CUT
RESET = Signal.RESET
STALL = Signal.STALL


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this long, then go on."""

    seconds: float


Part = bytes | Pause | Signal
Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(slots=True)
class Received:
    """One request as it came. headers: lower-case names, repeated ones joined by ", "; raw_headers: as sent.

    Times are time.monotonic(). client_closed_at: when the client left before its answer was complete, else
    None. finished_at: when the last byte of the answer was handed to the system, else None.
    """

    method: str
    target: str
    version: str
    raw_headers: list[tuple[str, str]]
    body: bytes = b""
    connection: int = 0
    at: float = 0.0
    client_closed_at: float | None = None
    finished_at: float | None = None
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {}
        for name, value in self.raw_headers:
            key = name.lower()
            self.headers[key] = f"{self.headers[key]}, {value}" if key in self.headers else value

    @property
    def path(self) -> str:
        """The target without its query, as sent (not percent-decoded)."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def json(self) -> Any:
        """The body as JSON; raises ValueError when it is not."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer.

    body: bytes, or a dict or list that becomes JSON. parts: sent one by one instead of body; give a list when
    the reply is used more than once. before: played before the first byte (a Pause, STALL, CUT or RESET).
    framing: "length", "chunked", "close" (the end of the connection is the end of the body) or "raw" (parts
    are all that is sent: no head is made). Default: "length" for a body, "chunked" for parts.
    A content-length or transfer-encoding in headers is sent as it is, instead of the right one.
    """

    status: int = 200
    headers: Headers = field(default_factory=dict)
    body: bytes | dict[str, Any] | list[Any] = b""
    parts: Iterable[Part] | None = None
    framing: Literal["length", "chunked", "close", "raw"] | None = None
    http10: bool = False
    before: Sequence[Part] = ()

    @staticmethod
    def sse(*parts: Part, status: int = 200, headers: Headers | None = None) -> Reply:
        """A stream of server-sent events, each part written by itself."""
        pairs = [("content-type", "text/event-stream; charset=utf-8"), *pairs_of(headers or {})]
        return Reply(status=status, headers=pairs, parts=list(parts))


def pairs_of(headers: Headers) -> list[tuple[str, str]]:
    """Headers in either form as pairs."""
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)


def encoded(reply: Reply) -> bytes:
    """The whole body of a reply that has one."""
    if isinstance(reply.body, bytes):
        return reply.body
    return json.dumps(reply.body, ensure_ascii=False, separators=(",", ":")).encode()
