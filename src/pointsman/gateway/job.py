"""What is known of one client request while it is served: the thread that runs from handle to meter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..conversation.usage import TokenUsage
from ..routing.table import Plan, Target
from ..wire.http1 import RequestHead
from .access import Caller
from .paths import Route
from .server import ClientConnection

if TYPE_CHECKING:
    from .translate import Asked


class Job:
    """One request. status: what the client was sent, 0 = nothing yet. stage: S0 nothing sent, S1 headers and
    keep-alives only, S2 content (DESIGN.md section 5). asked: its neutral form, once a target needed that. warnings:
    what the current target's translation lost. unspoken_path: the target speaks the protocol, but not on this path."""

    __slots__ = (
        "answer_lines", "asked", "attempts", "body", "caller", "client", "failed_reason", "first_output", "head", "id",
        "model", "no_fallback", "outcome", "path", "plan", "route", "stage", "start", "status", "stream", "target",
        "unspoken_path", "usage", "wall", "warnings",
    )  # fmt: skip

    def __init__(
        self, client: ClientConnection, head: RequestHead, body: bytes, route: Route, request_id: str
    ) -> None:
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
        self.target: Target | None = None
        self.attempts = 0
        self.no_fallback = False
        self.failed_reason: str | None = None
        self.status = 0
        self.stage = 0
        self.outcome = "ok"
        self.first_output: float | None = None
        self.usage: TokenUsage | None = None
        self.answer_lines = b""
        self.asked: Asked | None = None
        self.warnings = b""
        self.unspoken_path = False

    def id_lines(self) -> bytes:
        """Our ids under both vendors' names, and what every answer carries."""
        return (
            b"x-request-id: %b\r\nrequest-id: %b\r\n" % (self.id.encode(), self.id.encode())
            + self.answer_lines
        )

    def target_lines(self) -> bytes:
        """Where the answer comes from (DESIGN.md section 7)."""
        target = self.target
        lines = b"x-pointsman-target: %b\r\nx-pointsman-attempts: %d\r\n" % (
            header_text(target.label) if target else b"none",
            self.attempts,
        )
        if self.failed_reason is not None:
            lines += b"x-pointsman-fallback: %b\r\n" % self.failed_reason.encode()
        if self.warnings:
            lines += b"x-pointsman-warnings: %b\r\n" % self.warnings
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
