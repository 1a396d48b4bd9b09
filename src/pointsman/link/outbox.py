"""Usage on its way to the control plane: records become batches, and each is kept, in memory or on disk, until it is
acknowledged.

Bounded: beyond MAX_HELD records the oldest go to the disk or, where none takes them, are dropped, counted and logged. Not
here: the connection (client.py), and what lies on disk (spool.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from ..ledger.blocks import UsageBlock, block_of, joined
from ..ledger.records import UsageRecord
from .messages import Up, UsageBatch
from .spool import Spool

log = logging.getLogger("pointsman.link")

MAX_HELD = 50_000
"""Usage records kept while the control plane is away (about 3 MB); beyond it the oldest go, counted and logged."""
BATCH = 2_000
"""A batch is a transaction: one of 500 costs the control plane twice as much a record."""
JOINED = 500
"""Records of small batches that waited go as one: after a minute's outage they would be 240 transactions. More would hold
the loop of the data plane for longer than a few ms."""
WINDOW = 8
"""Batches sent and not yet acknowledged: a control plane that hangs must not make this process grow."""
RESEND_SECONDS = 10.0
"""A batch without an answer for so long was not stored (disk full, database locked); it goes again."""
SPOOL_SECONDS = 0.4
"""A record that may be so old and is not acknowledged also goes to the disk, at once when nobody is there to take it. It is
looked for every client.FLUSH_SECONDS and by the ticker, so that a crash costs at most 0.65 s of usage, and less than the
1 s of R9 where the machine lets us run a third of a second late."""
_LONGEST_TRACE = 128


class Link(Protocol):
    """connected: the control plane is there. reads: and takes what it is sent. say: sent, if it does."""

    @property
    def connected(self) -> bool: ...

    @property
    def reads(self) -> bool: ...

    def say(self, message: Up) -> bool: ...


class Outbox:
    """spool: where usage goes that nobody takes, None = it stays in memory. tally: gets each record once."""

    def __init__(
        self,
        link: Link,
        resend_seconds: float = RESEND_SECONDS,
        spool: Spool | None = None,
        tally: Callable[[list[UsageRecord]], None] = lambda records: None,
    ) -> None:
        self._link = link
        self._resend_seconds = resend_seconds
        self._spool = spool
        self._tally = tally
        self._fresh: list[UsageRecord] = []
        self._traces: list[tuple[str, str]] = []  # of those
        self._flushed = time.monotonic()  # no fresh record is older
        self._next_batch = 1
        self.unacked: dict[int, UsageBatch] = {}  # oldest first
        self.sent: dict[int, float] = {}  # of those: when, on this connection
        self._offered: set[int] = set()  # of those: sent, in whole or in part, on any connection
        self._made: dict[int, float] = {}  # of those in memory only: how old their oldest record may be
        self._on_disk_only = spool is not None and spool.holds  # an earlier life's, or memory was full
        self._told_of_drops = False
        self.held = 0
        self.dropped = 0

    @property
    def fresh(self) -> int:
        """Records that are in no batch yet."""
        return len(self._fresh)

    def record(self, record: UsageRecord) -> None:
        """Keep one usage record for the control plane. Never blocks."""
        self._fresh.append(record)

    def trace(self, request_id: str, traceparent: bytes) -> None:
        """The trace that a request belongs to. Called before its record, or right after it."""
        if len(traceparent) <= _LONGEST_TRACE:
            self._traces.append((request_id, traceparent.decode("latin-1")))

    def connected(self) -> None:
        """By a new connection, by which nothing has been sent."""
        self.sent.clear()

    def send_all(self) -> bool:
        """Is all that was recorded on its way by this connection, or stored? What is fresh waits for those before it: a
        batch of it at every look would be many small ones, which keep a busy control plane from coming to the last."""
        self._send()
        if self._waits() or (self._fresh and len(self.sent) >= WINDOW):
            return False
        self.flush()
        return not self._waits()

    def _waits(self) -> bool:
        """Is a batch not on its way?"""
        on_disk = self._spool is not None and self._spool.holds and self._on_disk_only
        return not self._link.reads or on_disk or len(self.sent) < len(self.unacked)

    def flush(self) -> None:
        """Turn fresh records into batches, kept until acknowledged; send what the window allows."""
        fresh, self._fresh = self._fresh, []
        since, self._flushed = self._flushed, time.monotonic()
        traces, self._traces = self._traces, []
        self._tally(fresh)
        for start in range(0, len(fresh), BATCH):
            block = block_of(fresh[start : start + BATCH])
            self._made[self._hold(replace(block, traces=traces) if traces else block)] = since
        while self.held > MAX_HELD:
            oldest = next(iter(self.unacked))
            if self._spool is not None and self._to_disk(oldest):
                self._on_disk_only = True
                self._spool.rewind()  # it may have been read from there; what comes twice counts once
                self._forget(oldest)
                continue
            self.dropped += self.unacked[oldest].block.records
            self._forget(oldest)
            if not self._told_of_drops:
                self._told_of_drops = True
                log.error("usage records are being dropped: the control plane has been away too long")
        self._send()

    def _hold(self, block: UsageBlock) -> int:
        """Keep it as a batch until it is acknowledged; its number."""
        batch = UsageBatch(self._next_batch, block)
        self._next_batch += 1
        self.unacked[batch.batch] = batch
        self.held += block.records
        return batch.batch

    def _from_disk(self) -> None:
        """Take up what is on disk only, a window at a time. When everything is stored the files go."""
        spool = self._spool
        if spool is None or not spool.holds:
            return
        while self._on_disk_only and len(self.unacked) < WINDOW:
            block = spool.take()
            if block is None:
                self._on_disk_only = False
            elif block.records:
                self._hold(block)
            else:  # not now; and what is not read must not go
                return
        if not self.unacked:
            spool.clear()

    def _send(self) -> None:
        """Send batches, oldest first, at most WINDOW of them on their way at once."""
        if not self._link.reads:
            return
        self._from_disk()
        now = time.monotonic()
        for number, at in self.sent.items():
            if now - at > self._resend_seconds and self._link.say(self.unacked[number]):
                self.sent[number] = now
        if len(self.sent) >= WINDOW or len(self.sent) == len(self.unacked):
            return
        self._join()
        for number, batch in self.unacked.items():
            if number not in self.sent:
                again = number in self._offered or number not in self._made
                if not self._link.say(batch if again else UsageBatch(number, batch.block, again=False)):
                    break
                self.sent[number] = now
                self._offered.add(number)
                if len(self.sent) >= WINDOW:
                    break

    def _join(self) -> None:
        """The oldest batches that are not on their way become one, which has the place and the number of the first."""
        of: list[int] = []
        room = JOINED
        for number, batch in self.unacked.items():
            if number not in self.sent:
                room -= batch.block.records
                if room < 0:
                    break
                of.append(number)
        if len(of) < 2:
            return
        block = joined([self.unacked[number].block for number in of])
        made = [self._made[number] for number in of if number in self._made]
        again = len(made) < len(of) or not self._offered.isdisjoint(of)
        first, *others = of
        for number in others:
            self._forget(number)
        self.held += block.records - self.unacked[first].block.records
        self.unacked[first] = UsageBatch(first, block)
        if made:
            self._made[first] = min(made)
        if again:
            self._offered.add(first)

    def acknowledged(self, number: int) -> None:
        """The control plane has stored that batch."""
        if number in self.unacked:
            self._told_of_drops = False
            self._forget(number)
            self._send()

    def _to_disk(self, number: int) -> bool:
        """Is this batch on disk, now at the latest?"""
        if number not in self._made:
            return True
        if self._spool is None or not self._spool.append(self.unacked[number].block):
            return False
        del self._made[number]
        return True

    def _forget(self, number: int) -> None:
        self._made.pop(number, None)
        self.held -= self.unacked.pop(number).block.records
        self.sent.pop(number, None)
        self._offered.discard(number)

    def trim(self) -> None:
        """Called by the ticker: while nobody takes it, usage goes to the disk, and memory stays bounded."""
        there = self._link.connected
        if not there and (len(self._fresh) >= BATCH or (self._fresh and self._spool is not None)):
            self.flush()
        self.spill(SPOOL_SECONDS if there else 0.0)

    def spill(self, age: float = SPOOL_SECONDS) -> None:
        """To the disk, what may be so many seconds old."""
        oldest = time.monotonic() - age
        for number in [number for number, made in self._made.items() if made <= oldest]:
            if not self._to_disk(number):
                break
