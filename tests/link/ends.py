"""Both ends of a link for tests: a control plane that stores what it gets, a data plane, and the socket between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from pointsman.ledger.records import UsageRecord
from pointsman.link.client import LinkClient
from pointsman.link.messages import FoundServers, Snapshot, Up, UsageBatch, WorkerStatus
from pointsman.link.server import LinkServer

from .test_frames import record


class Control:
    """The upper end. stored: records by id, as the store's INSERT OR IGNORE keeps them; broken: it stores nothing."""

    def __init__(self, path: str) -> None:
        self.server = LinkServer(path, self.on_up)
        self.stored: dict[str, UsageRecord] = {}
        self.batches: list[tuple[int, UsageBatch]] = []
        self.statuses: list[tuple[int, WorkerStatus]] = []
        self.found: list[FoundServers] = []
        self.broken = False
        self.slow = 0.0

    def on_up(self, worker: int, message: Up) -> None:
        if isinstance(message, WorkerStatus):
            self.statuses.append((worker, message))
        elif isinstance(message, FoundServers):
            self.found.append(message)
        elif isinstance(message, UsageBatch):
            time.sleep(self.slow)
            self.batches.append((worker, message))
            if self.broken:
                raise OSError("the disk is full")
            for item in message.block.read():
                self.stored.setdefault(item.id, item)


class Data:
    """The lower end: its snapshots, its client, and the task that runs it."""

    def __init__(self, path: str, worker: int = 0, resend_seconds: float = 10.0) -> None:
        self.snapshots: list[Snapshot] = []
        self.worker = worker
        self.client = LinkClient(path, worker, self.snapshots.append, self.status, resend_seconds)
        self.task: asyncio.Task[None] | None = None

    def status(self) -> WorkerStatus:
        return WorkerStatus(self.worker, 1, 0, {}, usage_dropped=self.client.usage.dropped)

    def start(self) -> Data:
        self.task = asyncio.ensure_future(self.client.run())
        return self

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    def record(self, *numbers: int) -> None:
        for number in numbers:
            self.client.usage.record(record(number))


async def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until something is so; fails when it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.005)
