"""What one process of the data plane sent, in the order in which it came: one line for each place where it is kept, so that
usage does not wait for answers that are kept, nor what this machine keeps for a database that is away.

Bounded: who reads from the process never waits for who stores, since its word of the rules that it serves by comes the same
way. Beyond MOST_BYTES the oldest goes, and the log says so. Not here: what becomes of a message (server.py).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from .kept_messages import KeepAnswer, KeepRecorded, KeptQuestion, ReplayQuestion
from .lease_messages import LeaseQuestion
from .messages import AnswerQuestion, Captured, Shadowed, SpentQuestion, Up, UsageBatch
from .shared_messages import ForgetRemembered, Remember, RememberedQuestion

log = logging.getLogger("pointsman.link")

MOST_BYTES = 32 * 1024 * 1024
"""Of what waits in one line to be kept. Usage is not among it: what is not acknowledged its sender keeps."""
MOST_AT_ONCE = 64
AGAIN_SECONDS = 0.5
QUESTIONS = (AnswerQuestion, LeaseQuestion, SpentQuestion, KeptQuestion, ReplayQuestion)
"""Asked with all that came before, of usage and of what this machine keeps."""
Shared = Remember | ForgetRemembered
Take = Callable[[Sequence[Up], float], Awaitable[Sequence[Up]]]
"""Gets the oldest, in their order, and the seconds that the first of them has waited; what it returns comes again."""


class _Waiting(NamedTuple):
    came: float
    size: int
    message: Up


class WaitingLine:
    """at_once: how many are taken together."""

    def __init__(
        self,
        name: str,
        at_once: int = 1,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._name = name
        self._at_once = at_once
        self._most_bytes = most_bytes
        self._waiting: deque[_Waiting] = deque()
        self._there = asyncio.Event()
        self._ended = self._left_out = False
        self._losing = False
        self.held = 0

    def put(self, message: Up, size: int = 0) -> None:
        """Behind all others. size: bytes, of what is kept; 0 for what must not be left out."""
        self._waiting.append(_Waiting(time.monotonic(), size, message))
        self.held += size
        while self.held > self._most_bytes:
            oldest = next(one for one in self._waiting if one.size)
            self._waiting.remove(oldest)
            self.held -= oldest.size
            if not self._losing:
                self._losing = True
                log.error("%s cannot be kept as fast as it comes: the oldest is left out", self._name)
        self._there.set()

    def end(self, *, left_out: bool = False) -> None:
        """Nothing comes any more: run() returns when what waits has been taken. left_out: it does not wait for what cannot
        be taken now."""
        self._ended, self._left_out = True, self._left_out or left_out
        self._there.set()

    async def run(self, take: Take) -> None:
        """Until the end."""
        while True:
            await self._there.wait()
            if not self._waiting:
                if self._ended:
                    return
                self._losing = False
                self._there.clear()
                continue
            run = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
            self.held -= sum(one.size for one in run)
            left = {
                id(one) for one in await take([one.message for one in run], time.monotonic() - run[0].came)
            }
            again = [one for one in run if id(one.message) in left]
            if again:
                self.held += sum(one.size for one in again)
                self._waiting.extendleft(reversed(again))
                if self._left_out:
                    log.error("%s: %s are left out, as this process ends", self._name, len(self._waiting))
                    return
                await asyncio.sleep(AGAIN_SECONDS)


class Lines:
    """Of one process."""

    def __init__(self) -> None:
        self._usage = WaitingLine("usage")
        self._here = WaitingLine("what this machine keeps")
        self._shared = WaitingLine("what other nodes find", MOST_AT_ONCE)
        self.batches: set[int] = set()
        """Of usage, that wait: those that come again meanwhile are the same."""

    def put(self, message: Up, size: int) -> bool:
        """False: it waits for nothing."""
        match message:
            case UsageBatch(batch=number):
                if number not in self.batches:
                    self.batches.add(number)
                    self._usage.put(message)
            case LeaseQuestion(of=of) if not any(one.fresh for one in of):
                return False  # a renewal of known parts: what was recorded is nothing to it
            case AnswerQuestion() | LeaseQuestion() | SpentQuestion():
                self._usage.put(message)
            case Captured() | KeepAnswer() | KeepRecorded() | Shadowed():
                self._here.put(message, size)
            case KeptQuestion() | ReplayQuestion():
                self._here.put(message)
            case Remember() | ForgetRemembered():
                self._shared.put(message, size)
            case RememberedQuestion():
                self._shared.put(message)
            case _:
                return False
        return True

    async def run(self, in_order: Take, shared: Take) -> None:
        """Until the end."""
        await asyncio.gather(self._usage.run(in_order), self._here.run(in_order), self._shared.run(shared))

    def end(self, *, left_out: bool = False) -> None:
        """See WaitingLine."""
        for line in (self._usage, self._here, self._shared):
            line.end(left_out=left_out)
