"""What is known of one client request while it is served: the thread that runs from handle to meter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...conversation.usage import TokenUsage
from ...routing.table import Plan, Target
from ...wire.http1 import RequestHead
from ..client.access import Caller
from ..client.paths import Route
from ..client.recorder import Client

if TYPE_CHECKING:
    from ..attempt.crossing import Asked


class Tried:
    """One attempt. number: from 1. warnings: what its translation lost. reason: why it failed, None while it has not.
    start and wall: when it began, monotonic and unix seconds; seconds: how long it took, once it is over. status: the
    upstream's, 0 = it gave none."""

    __slots__ = (
        "number",
        "outcome",
        "reason",
        "seconds",
        "start",
        "status",
        "target",
        "usage",
        "wall",
        "warnings",
    )

    def __init__(self, target: Target, number: int) -> None:
        self.target = target
        self.number = number
        self.start = time.monotonic()
        self.wall = time.time()
        self.seconds: float | None = None
        self.warnings = b""
        self.usage: TokenUsage | None = None
        self.reason: str | None = None
        self.status = 0
        self.outcome = "failed"


class Job:
    """One request. status: what the client was sent, 0 = nothing yet. stage: S0 nothing sent, S1 headers and
    keep-alives only, S2 content (DESIGN.md section 5). asked: its neutral form, once a target needed that. tries: the
    attempts so far. won: the one whose answer the client gets, once there is real output; on_won: called then. told:
    the one whose failure is told. deadline: monotonic seconds. joined: it took over a generation that was running."""

    __slots__ = (
        "answer_lines", "asked", "body", "caller", "client", "deadline", "failed_reason", "first_output", "head", "id",
        "joined", "model", "next_ping", "no_fallback", "on_won", "outcome", "path", "plan", "route", "stage", "start",
        "status", "stream", "told", "tries", "wall", "won",
    )  # fmt: skip

    def __init__(self, client: Client, head: RequestHead, body: bytes, route: Route, request_id: str) -> None:
        self.client = client
        self.head = head
        self.body = body
        self.route = route
        self.id = request_id
        self.path = route.path
        self.start = time.monotonic()
        self.wall = time.time()
        self.model = ""
        self.stream = False
        self.caller = Caller(None, b"")
        self.plan: Plan | None = None
        self.tries: list[Tried] = []
        self.won: Tried | None = None
        self.told: Tried | None = None
        self.on_won: Callable[[Tried], None] | None = None
        self.deadline = self.next_ping = math.inf
        self.joined = False
        self.no_fallback = False
        self.failed_reason: str | None = None
        self.status = 0
        self.stage = 0
        self.outcome = "ok"
        self.first_output: float | None = None
        self.answer_lines = b""
        self.asked: Asked | None = None

    @property
    def attempts(self) -> int:
        """How many targets were tried."""
        return len(self.tries)

    @property
    def shown(self) -> Tried | None:
        """The attempt that the client is told of."""
        return self.won or self.told or (self.tries[-1] if self.tries else None)

    @property
    def shown_last(self) -> Tried | None:
        """The attempt whose record is the request's own: the one that answered, else the last."""
        return self.won or (self.tries[-1] if self.tries else None)

    def id_lines(self) -> bytes:
        """Our ids under both vendors' names, and what every answer carries."""
        return (
            b"x-request-id: %b\r\nrequest-id: %b\r\n" % (self.id.encode(), self.id.encode())
            + self.answer_lines
        )

    def target_lines(self) -> bytes:
        """Where the answer comes from (DESIGN.md section 7)."""
        shown = self.shown
        lines = b"x-pointsman-target: %b\r\nx-pointsman-attempts: %d\r\n" % (
            header_text(shown.target.label) if shown else b"none",
            len(self.tries),
        )
        if self.failed_reason is not None:
            lines += b"x-pointsman-fallback: %b\r\n" % self.failed_reason.encode()
        if shown is not None and shown.warnings:
            lines += b"x-pointsman-warnings: %b\r\n" % shown.warnings
        return lines

    def target_comment(self) -> bytes:
        """The same as a comment's text, for a stream whose headers have been sent."""
        return self.target_lines().replace(b"\r\n", b" ")


def header_text(text: str) -> bytes:
    """Text as a header value: visible ASCII, the rest percent-encoded."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    from urllib.parse import quote

    return quote(text, safe="/:;,.!@#$&*()_+-=[]{} ").encode("ascii")[:512]
