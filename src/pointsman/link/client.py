"""The data plane's end of the link: takes snapshots, hands up usage and status, and lives through the other end's death.

While the control plane is away the last snapshot serves on and usage waits (outbox.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from ..errors import PointsmanError
from ..kinds import ErrorKind, Limit
from ..ledger.records import UsageRecord
from .frames import LinkError, encode, read_down
from .kept_messages import KeptFound, ReplayFound
from .lease_messages import LeaseFound
from .messages import (
    AnswerFound,
    AnswerQuestion,
    Applied,
    Asked,
    Captured,
    EndFound,
    EndQuestion,
    FoundServers,
    Hello,
    Reserved,
    RunningFound,
    RunningQuestion,
    Shadowed,
    Snapshot,
    SpentFound,
    SpentQuestion,
    Up,
    UsageAck,
    WorkerStatus,
)
from .outbox import RESEND_SECONDS, Outbox
from .questions import SECONDS, Questions
from .shared_messages import RememberedFound
from .spool import Spool

log = logging.getLogger("pointsman.link")

STUCK_BYTES = 4 * 1024 * 1024
"""Bytes waiting to be written beyond which nothing is added: the other end has stopped reading."""
FLUSH_SECONDS = 0.25
STATUS_SECONDS = 1.0
RETRY_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5)


class LinkClient:
    """path: the control plane's Unix socket. on_snapshot: must raise nothing. status: makes the newest WorkerStatus. spool,
    tally: of its Outbox. answer: to what the control plane asks; must raise nothing."""

    def __init__(
        self,
        path: str,
        worker: int,
        on_snapshot: Callable[[Snapshot], None],
        status: Callable[[], WorkerStatus],
        resend_seconds: float = RESEND_SECONDS,
        spool: Spool | None = None,
        tally: Callable[[list[UsageRecord]], None] = lambda records: None,
        answer: Callable[[Asked], RunningFound | EndFound] | None = None,
    ) -> None:
        self._path = path
        self._worker = worker
        self._on_snapshot = on_snapshot
        self._status = status
        self._answer = answer
        self._writer: asyncio.StreamWriter | None = None
        self.usage = Outbox(self, resend_seconds, spool, tally)
        self.questions = Questions()
        self._found: FoundServers | None = None

    @property
    def connected(self) -> bool:
        """Is the control plane there right now?"""
        return self._writer is not None

    @property
    def reads(self) -> bool:
        """Is it there, and takes what it is sent?"""
        return self._writer is not None and not _stuck(self._writer)

    def capture(self, bodies: Captured) -> None:
        """Hand up what somebody has asked to see. Kept nowhere here: what cannot go now is lost, and the log says so."""
        if not self.say(bodies):
            log.warning("request %s is not captured: the control plane takes nothing now", bodies.request_id)

    def tell_shadowed(self, told: Shadowed) -> bool:
        """Hand up what came of shadows. False where it cannot go now."""
        return self.say(told)

    def tell_found(self, found: FoundServers) -> None:
        """The model servers that are there now: told to the control plane, and to each that comes after it."""
        self._found = found
        self.say(found)

    async def find_answer(self, key_id: int | None, name: str) -> AnswerFound:
        """Who made that answer, by the usage database. Raises PointsmanError 503 while that cannot be told."""
        answer = await self.questions.ask(
            self.say, lambda number: AnswerQuestion(number, key_id, name), AnswerFound, _cannot_tell
        )
        if not answer.able:
            raise _cannot_tell()
        return answer

    async def spent(
        self, of: tuple[tuple[str, Limit, float | None], ...], marked: Callable[[], None]
    ) -> tuple[int, ...]:
        """See SpentQuestion; with all that was recorded until marked() is called, and nothing after. Raises PointsmanError
        503 while that cannot be told."""
        deadline = time.monotonic() + SECONDS
        await self.all_sent(deadline)
        marked()
        left = deadline - time.monotonic()
        answer = await self.questions.ask(
            self.say, lambda number: SpentQuestion(number, of), SpentFound, cannot_tell_spent, left
        )
        if answer.spent is None:
            raise cannot_tell_spent()
        return answer.spent

    async def all_sent(self, deadline: float) -> None:
        """What was recorded until now is on its way, or stored. deadline: monotonic, after which PointsmanError 503."""
        while not self.usage.send_all():
            if time.monotonic() > deadline:
                raise cannot_tell_spent()
            await asyncio.sleep(0.01)

    def say(self, message: Up) -> bool:
        """Sent, if anybody is there who reads."""
        writer = self._writer
        if writer is None or _stuck(writer):
            return False
        writer.write(encode(message))
        return True

    async def run(self) -> None:
        """Connect, read, and connect again for ever; cancelled at the end of the process."""
        tries = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
                continue
            tries = 0
            try:
                await self._talk(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                log.warning("the control plane is away; serving on with the last rules")
            except LinkError as error:
                log.error("the control plane spoke nonsense: %s", error)
                await asyncio.sleep(RETRY_SECONDS[-1])
            finally:
                self._writer = None
                writer.transport.abort()  # close() would wait for an end that may never read again

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(os.getpid(), self._worker)))
        if self._found is not None:
            writer.write(encode(self._found))
        self._writer = writer
        self.usage.connected()
        flusher = asyncio.create_task(self._flush_for_ever())
        try:
            while True:
                message = await read_down(reader)
                match message:
                    case Snapshot():
                        self._on_snapshot(message)
                        writer.write(encode(Applied(message.epoch, message.version)))
                    case UsageAck():
                        self.usage.acknowledged(message.batch)
                    case (
                        AnswerFound()
                        | SpentFound()
                        | LeaseFound()
                        | Reserved()
                        | KeptFound()
                        | ReplayFound()
                        | RememberedFound()
                    ):
                        self.questions.answered(message)
                    case RunningQuestion() | EndQuestion():
                        if self._answer is not None:
                            writer.write(encode(self._answer(message)))
        finally:
            flusher.cancel()

    async def _flush_for_ever(self) -> None:
        waited = STATUS_SECONDS
        while True:
            self.usage.flush()
            self.usage.spill()
            if waited >= STATUS_SECONDS and self.reads:
                self.say(self._status())
                waited = 0.0
            await asyncio.sleep(FLUSH_SECONDS)
            waited += FLUSH_SECONDS

    async def drain(self, seconds: float) -> None:
        """Hand up what is left; returns when all is acknowledged, or after `seconds`."""
        self.usage.flush()
        if self.reads:
            self.say(self._status())  # its last counts: the sums of all processes keep them
        deadline = asyncio.get_running_loop().time() + seconds
        while self.usage.unacked and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        self.usage.spill(0.0)


def _cannot_tell() -> PointsmanError:
    return PointsmanError(
        ErrorKind.UNAVAILABLE,
        "Which backend made this answer cannot be looked up now; try again.",
        retry_after=1,
    )


def cannot_tell_spent() -> PointsmanError:
    """503 where the control plane, which knows, is away."""
    return PointsmanError(
        ErrorKind.UNAVAILABLE, "What has been spent cannot be looked up now; try again.", retry_after=1
    )


def _stuck(writer: asyncio.StreamWriter) -> bool:
    return writer.transport.get_write_buffer_size() > STUCK_BYTES
