"""One client request while it is served: what was asked, how it goes, and (delivery.py) what was
told.

Not here: the steps (handle.py), one try of one target (attempt/).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from ...conversation.usage import TokenUsage
from ...dialects.paths import Route
from ...dialects.recall import NOTHING, Recalled
from ...errors import PointsmanError
from ...kinds import Protocol
from ...ledger.accounts import Reservation
from ...ledger.cost import Bill
from ...ledger.records import UsageRecord
from ...link.kept_messages import KeptAnswer
from ...resilience.admission import Ticket
from ...routing.table import Plan, Target
from ...translation.crossing import Asked, Crossing
from ...translation.stuck import HandedOver
from ...upstream.backend import Backend
from ...upstream.connection import UpstreamConnection
from ...wire.http1 import RequestHead
from ...wire.multipart import Form
from ...wire.splice import Peek
from ..client.access import Caller
from ..client.recorder import Recorder
from ..client.tee import Tee
from ..prompts import Changed
from .delivery import Delivery

_NOBODY = Caller(None, b"")

Note = Callable[[str], None]
"""Remembers who made the answer of that id."""


class ClientRequest(msgspec.Struct, frozen=True):
    """What was asked; never changed. start and wall: when it came, monotonic and unix seconds.
    caller, model, stream, no_fallback (`x-pointsman-no-fallback`) and form, where the body is one, are
    known once the body has been looked at (known())."""

    id: str
    head: RequestHead
    body: bytes
    route: Route
    start: float
    wall: float
    caller: Caller = _NOBODY
    model: str = ""
    stream: bool = False
    no_fallback: bool = False
    form: Form | None = None

    def known(self, caller: Caller, seen: Peek | Form) -> ClientRequest:
        """The same, looked at. seen: what that found."""
        alone = self.head.get(b"x-pointsman-no-fallback") == b"1"
        form = seen if isinstance(seen, Form) else None
        stream = self.route.streams if seen.stream is None else seen.stream
        return ClientRequest(
            self.id, self.head, self.body, self.route, self.start, self.wall, caller, seen.model or "", stream, alone, form,
        )  # fmt: skip


@dataclass(slots=True, eq=False)
class Tried:
    """One attempt. number: from 1. warnings: what its translation lost. reason: why it failed,
    None while it has not. start and wall: when it began, monotonic and unix seconds; seconds: how
    long it took, once it is over. status: the upstream's, 0 = it gave none. answer_id: by which its
    backend can be asked for the answer again. window: tokens, of a server that cuts a longer input in
    silence. bill: what its target's answers come to, None where that is nothing; instead: the same of
    the rule's first target, where another has answered in its stead; own_login: it is the client's that is charged.
    said: characters of a stream so far; complete: the answer was told to its end. size: bytes of the request,
    where its body is gone; sent: what its backend was given, as UsageRecord.sent_bytes. placed: when it had its place at the
    backend; ours: seconds of it that were the gateway's own.
    receipt: of what it has reserved of budgets, where there are any. changed: see gateway/prompts.py. customs: the value of
    `x-pointsman-customs`; passed: the same as a warning (attempt/customs.py)."""

    target: Target
    number: int
    start: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)
    seconds: float | None = None
    warnings: bytes = b""
    usage: TokenUsage | None = None
    reason: str | None = None
    status: int = 0
    outcome: str = "failed"
    answer_id: str | None = None
    window: int | None = None
    placed: float = 0.0
    ours: float = 0.0
    receipt: Reservation | int | None = None
    bill: Bill | None = None
    instead: tuple[Bill | None] | None = None
    own_login: bool = False
    said: int = 0
    complete: bool = False
    size: int = 0
    sent: int = 0
    changed: Changed | None = None
    customs: bytes = b""
    passed: bytes = b""

    @property
    def lost(self) -> bytes:
        """All that is warned of."""
        return (
            b",".join((self.passed, self.warnings))
            if self.passed and self.warnings
            else self.passed or self.warnings
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that a request's own lane (gateway/lane) has begun, and the full way goes on with. place: at the backend,
    held. exchange: an attempt's Exchange, which has the answer or awaits it; opening: the connection that it is to be asked
    on, while there is none yet."""

    backend: Backend
    tried: Tried
    place: Ticket
    exchange: object
    opening: asyncio.Task[UpstreamConnection] | None = None
    across: tuple[Protocol, Crossing] | None = None  # where it is translated: to which, and how


@dataclass(frozen=True, slots=True)
class Keeping:
    """An answer that may be kept for equal requests, when it is over. recorder: has what its client is told. key_id: see
    KeepAnswer."""

    name: str
    seconds: float
    recorder: Recorder
    key_id: int


@dataclass(slots=True, eq=False)
class Job:
    """How one request goes. recalled: what it refers to, out of the memory. asked: its neutral
    form, once a target needed that. tries: the
    attempts so far. won: the one whose answer the client gets, once there is real output; on_won:
    called then. reported: the one whose failure the client is told. failed_reason: why the last
    target that failed did, or was not asked. deadline: monotonic seconds. joined: the job whose
    answer this client was given, where another request had begun it. receipt: of what it has taken of
    rates. worst: tokens that it may take at most, once somebody has asked. ended: what its client is told where the operator
    has cancelled it."""

    request: ClientRequest
    delivery: Delivery
    plan: Plan | None = None
    tries: list[Tried] = field(default_factory=list)
    won: Tried | None = None
    reported: Tried | None = None
    on_won: Callable[[Tried], None] | None = None
    deadline: float = math.inf
    failed_reason: str | None = None
    recalled: Recalled = NOTHING
    asked: Asked | None = None
    joined: Job | None = None
    begun: Begun | None = None  # the first attempt, where a lane has begun it
    kept: bool = False  # the memory has the answer that is asked for, where its backend does not
    unpacked: int = 0  # bytes of its body, where that came compressed
    receipt: Reservation | int | None = None
    worst: tuple[int, int] | None = None
    tee: Tee | None = None  # where its bodies are captured
    ended: PointsmanError | None = None
    on_answered: Callable[[], None] | None = None  # called once its client has an answer
    on_loop: Callable[[], None] | None = None  # called when an answer was ended for going round in circles
    conversation: bytes | None = None  # which it is of, where its rule asks for that
    handed: HandedOver | None = None  # it is the next target's turn
    hit: KeptAnswer | None = None  # the answer of an equal request, which its client got
    keeping: Keeping | None = None  # its own may be kept
    afterwards: tuple[Callable[[UsageRecord], None], ...] = ()  # called when it is over, with its own record
    sent_again: int = 0  # attempts whose kept connection was dead, so that they were sent out once more

    @property
    def decisive(self) -> Tried | None:
        """The attempt whose record is the request's own: the one that answered, else the last."""
        return self.won or (self.tries[-1] if self.tries else None)

    def target_lines(self) -> bytes:
        """Where the answer comes from (docs/design.md#what-answers-say-of-themselves)."""
        tried = self.won or self.reported or self.decisive
        lines = b"x-pointsman-target: %b\r\nx-pointsman-attempts: %d\r\n" % (
            header_text(tried.target.label) if tried else b"none",
            len(self.tries) + self.sent_again,
        )
        if self.failed_reason is not None:
            lines += (
                b"x-pointsman-fallback: %b\r\n" % _TOLD.get(self.failed_reason, self.failed_reason).encode()
            )
        if self.handed is not None:
            lines += b"x-pointsman-stuck: %b\r\n" % header_text(self.handed.told)
        if tried is None:
            return lines
        if tried.customs:
            lines += b"x-pointsman-customs: %b\r\n" % tried.customs
        return lines + warning_lines(tried.lost)


_TOLD = dict.fromkeys(("context", "refusal", "ability", "miss"), "upstream_error")
"""Reasons that are finer than a word of the header, whose words other programs rely on (docs/design.md)."""


def warning_lines(warnings: bytes) -> bytes:
    """What was lost, as a header line where anything was (docs/design.md#what-answers-say-of-themselves)."""
    return b"x-pointsman-warnings: %b\r\n" % warnings if warnings else b""


def header_text(text: str) -> bytes:
    """Text as a header value: visible ASCII, the rest percent-encoded."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    from urllib.parse import quote

    return quote(text, safe="/:;,.!@#$&*()_+-=[]{} ").encode("ascii")[:512]
