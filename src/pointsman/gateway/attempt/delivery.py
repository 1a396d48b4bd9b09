"""The client's side of one attempt: when its answer becomes the client's, and every way in which that ends.

Not here: reading the upstream and judging it (exchange.py), the bytes themselves (relay.py, way.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol as TypingProtocol

from ...kinds import FallbackReason
from ..request.job import Job, Tried
from .answer import Answer, Headers, client_lines, send_answer


class Health(TypingProtocol):
    """Who is told how the backend did once its answer is the client's. own_login: the client's own login was sent."""

    own_login: bool

    def answered(self, status: int) -> None:
        """With real output, or with an answer that is the client's own affair."""

    def interrupted(self, reason: FallbackReason) -> None:
        """It failed after that."""


class Front:
    """won: the client's answer is this attempt's (S2); from then on no other target is possible."""

    __slots__ = ("_health", "_job", "_tried", "won")

    def __init__(self, job: Job, tried: Tried, health: Health) -> None:
        self._job = job
        self._tried = tried
        self._health = health
        self.won = False

    def claim(self, status: int, on_writable: Callable[[bool], None]) -> bool:
        """The first real output is here. False when another target was faster: then nothing of this one is sent."""
        job = self._job
        if job.won is not None:
            return False
        job.won = self._tried
        self.won = True
        job.first_output = time.monotonic()
        job.client.on_writable = on_writable
        self._health.answered(status)
        if job.on_won is not None:
            job.on_won(self._tried)
        return True

    def begin(self, status: int, headers: Headers, length: int | None, first: bytes) -> None:
        """The answer's head, if the client has none yet, and the first bytes of its body."""
        job = self._job
        if job.stage == 1:
            job.client.write(b": " + job.target_comment() + b"\n\n" + first)
        else:
            job.status = status
            lines = job.id_lines() + job.target_lines() + client_lines(headers)
            job.client.start(status, lines, length, first)
        job.stage = 2

    def whole(self, answer: Answer) -> None:
        """A whole answer; of a stream's bytes where the head has been sent."""
        job = self._job
        if job.stage == 1:
            job.client.write(b": " + job.target_comment() + b"\n\n" + answer.body)
            job.client.finish()
            job.stage = 2
        else:
            send_answer(job, answer)

    def interrupt(self, told: bytes | None) -> None:
        """After content: an in-band error for a stream, a broken connection for a whole body (None). Never a clean
        end."""
        job = self._job
        job.outcome = "interrupted"
        if told is None:
            job.client.abort()
            return
        job.client.closing = True
        job.client.write(told)
        job.client.finish()

    def failed_inside(self) -> None:
        """The backend told of its failure itself, in the stream that has been passed on."""
        self._job.outcome = "interrupted"
        self._health.interrupted(FallbackReason.UPSTREAM_ERROR)
