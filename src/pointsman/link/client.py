"""The data plane's end of the link: takes snapshots, hands up usage and status, and lives through the other end's death.

While the control plane is away the last snapshot serves on and usage waits here, bounded.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable

from msgspec.structs import replace

from ..errors import PointsmanError
from ..kinds import ErrorKind, Limit
from ..ledger.blocks import UsageBlock, block_of
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
    UsageBatch,
    WorkerStatus,
)
from .questions import SECONDS, Questions
from .shared_messages import RememberedFound
from .spool import Spool

log = logging.getLogger("pointsman.link")

MAX_HELD = 50_000
"""Usage records kept while the control plane is away (about 3 MB); beyond it the oldest go, counted and logged."""
BATCH = 2_000
"""A batch is a transaction: one of 500 costs the control plane twice as much a record."""
WINDOW = 8
"""Batches sent and not yet acknowledged: a control plane that hangs must not make this process grow."""
STUCK_BYTES = 4 * 1024 * 1024
"""Bytes waiting to be written beyond which nothing is added: the other end has stopped reading."""
RESEND_SECONDS = 10.0
"""A batch without an answer for so long was not stored (disk full, database locked); it goes again."""
SPOOL_SECONDS = 0.4
"""A record that may be so old and is not acknowledged also goes to the disk, at once when nobody is there to take it. It is
looked for every FLUSH_SECONDS and by the ticker, so that a crash costs at most 0.65 s of usage, and less than the 1 s of R9
where the machine lets us run a third of a second late."""
_LONGEST_TRACE = 128
FLUSH_SECONDS = 0.25
STATUS_SECONDS = 1.0
RETRY_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5)


class LinkClient:
    """path: the control plane's Unix socket. on_snapshot: must raise nothing. status: makes the newest WorkerStatus. spool:
    where usage goes that nobody takes, None = it stays in memory. tally: gets each record once. answer: to what the control
    plane asks; must raise nothing."""

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
        self._resend_seconds = resend_seconds
        self._fresh: list[UsageRecord] = []
        self._traces: list[tuple[str, str]] = []  # of those
        self._unacked: dict[int, UsageBatch] = {}  # oldest first
        self._sent: dict[int, float] = {}  # of those: when, on this connection
        self._offered: set[int] = set()  # of those that are kept: sent at least once, on any connection
        self._held = 0
        self._next_batch = 1
        self._writer: asyncio.StreamWriter | None = None
        self._told_of_drops = False
        self._spool = spool
        self._tally = tally
        self._answer = answer
        self._flushed = time.monotonic()  # no fresh record is older
        self._made: dict[
            int, float
        ] = {}  # of batches that are in memory only: how old their oldest record may be
        self._on_disk_only = spool is not None and spool.holds  # an earlier life's, or memory was full
        self.questions = Questions()
        self._found: FoundServers | None = None
        self.dropped = 0

    @property
    def connected(self) -> bool:
        """Is the control plane there right now?"""
        return self._writer is not None

    def record(self, record: UsageRecord) -> None:
        """Keep one usage record for the control plane. Never blocks."""
        self._fresh.append(record)

    def trace(self, request_id: str, traceparent: bytes) -> None:
        """The trace that a request belongs to. Called before its record, or right after it."""
        if len(traceparent) <= _LONGEST_TRACE:
            self._traces.append((request_id, traceparent.decode("latin-1")))

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
        while not self._send_all():
            if time.monotonic() > deadline:
                raise cannot_tell_spent()
            await asyncio.sleep(0.01)

    def _send_all(self) -> bool:
        """Is all that was recorded on its way by this connection, or stored? What is fresh waits for those before it: a
        batch of it at every look would be many small ones, which keep a busy control plane from coming to the last."""
        self._send()
        if self._waits() or (self._fresh and len(self._sent) >= WINDOW):
            return False
        self.flush()
        return not self._waits()

    def _waits(self) -> bool:
        """Is a batch not on its way?"""
        writer = self._writer
        on_disk = self._spool is not None and self._spool.holds and self._on_disk_only
        return writer is None or _stuck(writer) or on_disk or len(self._sent) < len(self._unacked)

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
        self._sent.clear()
        self._writer = writer
        flusher = asyncio.create_task(self._flush_for_ever())
        try:
            while True:
                message = await read_down(reader)
                match message:
                    case Snapshot():
                        self._on_snapshot(message)
                        writer.write(encode(Applied(message.epoch, message.version)))
                    case UsageAck():
                        self._acknowledged(message.batch)
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
            self.flush()
            self._spill(SPOOL_SECONDS)
            writer = self._writer
            if waited >= STATUS_SECONDS and writer is not None and not _stuck(writer):
                writer.write(encode(self._status()))
                waited = 0.0
            await asyncio.sleep(FLUSH_SECONDS)
            waited += FLUSH_SECONDS

    def flush(self) -> None:
        """Turn fresh records into batches, kept until acknowledged; send what the window allows."""
        fresh, self._fresh = self._fresh, []
        since, self._flushed = self._flushed, time.monotonic()
        traces, self._traces = self._traces, []
        self._tally(fresh)
        for start in range(0, len(fresh), BATCH):
            block = block_of(fresh[start : start + BATCH])
            self._made[self._hold(replace(block, traces=traces) if traces else block)] = since
        while self._held > MAX_HELD:
            oldest = next(iter(self._unacked))
            if self._spool is not None and self._to_disk(oldest):
                self._on_disk_only = True
                self._spool.rewind()  # it may have been read from there; what comes twice counts once
                self._forget(oldest)
                continue
            self.dropped += self._unacked[oldest].block.records
            self._forget(oldest)
            if not self._told_of_drops:
                self._told_of_drops = True
                log.error("usage records are being dropped: the control plane has been away too long")
        self._send()

    def _hold(self, block: UsageBlock) -> int:
        """Keep it as a batch until it is acknowledged; its number."""
        batch = UsageBatch(self._next_batch, block)
        self._next_batch += 1
        self._unacked[batch.batch] = batch
        self._held += block.records
        return batch.batch

    def _from_disk(self) -> None:
        """Take up what is on disk only, a window at a time. When everything is stored the files go."""
        spool = self._spool
        if spool is None or not spool.holds:
            return
        while self._on_disk_only and len(self._unacked) < WINDOW:
            block = spool.take()
            if block is None:
                self._on_disk_only = False
            elif block.records:
                self._hold(block)
            else:  # not now; and what is not read must not go
                return
        if not self._unacked:
            spool.clear()

    def _send(self) -> None:
        """Send batches, oldest first, at most WINDOW of them on their way at once."""
        writer = self._writer
        if writer is None or _stuck(writer):
            return
        self._from_disk()
        now = time.monotonic()
        for number, at in self._sent.items():
            if now - at > self._resend_seconds:
                self._sent[number] = now
                writer.write(encode(self._unacked[number]))
        if len(self._sent) >= WINDOW or len(self._sent) == len(self._unacked):
            return
        for number, batch in self._unacked.items():
            if number not in self._sent:
                self._sent[number] = now
                again = number in self._offered or number not in self._made
                self._offered.add(number)
                writer.write(encode(batch if again else UsageBatch(number, batch.block, again=False)))
                if len(self._sent) >= WINDOW:
                    break

    def _acknowledged(self, number: int) -> None:
        if number in self._unacked:
            self._told_of_drops = False
            self._forget(number)
            self._send()

    def _to_disk(self, number: int) -> bool:
        """Is this batch on disk, now at the latest?"""
        if number not in self._made:
            return True
        if self._spool is None or not self._spool.append(self._unacked[number].block):
            return False
        del self._made[number]
        return True

    def _forget(self, number: int) -> None:
        self._made.pop(number, None)
        self._held -= self._unacked.pop(number).block.records
        self._sent.pop(number, None)
        self._offered.discard(number)

    def trim(self) -> None:
        """Called by the ticker: while nobody takes it, usage goes to the disk, and memory stays bounded."""
        if self._writer is None and (len(self._fresh) >= BATCH or (self._fresh and self._spool is not None)):
            self.flush()
        self._spill(SPOOL_SECONDS if self._writer is not None else 0.0)

    def _spill(self, age: float) -> None:
        oldest = time.monotonic() - age
        for number in [number for number, made in self._made.items() if made <= oldest]:
            if not self._to_disk(number):
                break

    async def drain(self, seconds: float) -> None:
        """Hand up what is left; returns when all is acknowledged, or after `seconds`."""
        self.flush()
        if self._writer is not None and not _stuck(self._writer):
            self._writer.write(encode(self._status()))  # its last counts: the sums of all processes keep them
        deadline = asyncio.get_running_loop().time() + seconds
        while self._unacked and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        self._spill(0.0)


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
