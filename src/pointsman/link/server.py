"""The control plane's end of the link: gives every data-plane process the newest snapshot, takes usage and status, and asks
all of them what only they know.

It decides nothing: what arrives goes to one callback, what to publish comes from the control plane.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ..errors import PointsmanError
from ..kinds import ErrorKind, Limit
from ..ledger.accounts import LimitSpec
from .frames import MAX_FRAME, LinkError, encode, read_up
from .kept_messages import KeepAnswer, KeepRecorded, KeptFound, KeptQuestion, ReplayFound, ReplayQuestion
from .lease_messages import LeaseFound, LeaseQuestion
from .local_server import LocalServer
from .messages import (
    AnswerFound,
    AnswerQuestion,
    Applied,
    Asked,
    Captured,
    EndFound,
    FoundServers,
    Hello,
    Reached,
    Reserve,
    Reserved,
    RunningFound,
    Settle,
    Shadowed,
    Snapshot,
    SpentFound,
    SpentQuestion,
    Up,
    UsageAck,
    UsageBatch,
    WorkerStatus,
)
from .questions import SECONDS, A, Questions
from .shared_messages import ForgetRemembered, Remember, RememberedFound, RememberedQuestion
from .spending import CashierServer

log = logging.getLogger("pointsman.link")


MOST_WAITING = 64
"""Things to keep that wait, of one process; then no more is read from it. Batches are few, and questions are requests."""
_AT_ONCE = (Hello, Applied, WorkerStatus, FoundServers, Reached, RunningFound, EndFound, Reserve, Settle)
"""Waits for nothing that is being stored: while a database is slow, rules and limits are told all the same."""
_QUESTIONS = (AnswerQuestion, KeptQuestion, LeaseQuestion, RememberedQuestion, ReplayQuestion, SpentQuestion)
_KEPT = (Captured, KeepAnswer, KeepRecorded, Shadowed, Remember, ForgetRemembered)


class NotTaken(Exception):
    """Raised by `on_up` for a batch that cannot be stored now, and whose reason was told elsewhere."""


class _Peer:
    """One connected data-plane process."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.worker = -1
        self.pid = 0
        self.applied: tuple[str, int] = ("", -1)
        self.lacks: set[int] = set()  # batches that it sent and that are not stored
        self.complaint = ""  # why its last batch was not stored
        self.followed = False  # the same data-plane process, or the one after it, has another connection
        self.gone = False  # what it sent last may wait still
        self.waiting: asyncio.Queue[tuple[float, Up] | None] = asyncio.Queue()  # with when it came, monotonic
        self.batches: set[int] = set()  # that wait: those that come again meanwhile are the same
        self.room = asyncio.Semaphore(MOST_WAITING)


class LinkServer:
    """path: Unix socket to listen on (folder must be 0700). on_up(worker, message): called for WorkerStatus and FoundServers
    on the loop and for UsageBatch in a thread; a batch is acknowledged only when the call returned without raising. find:
    looks an answer up, spent what was spent, in a thread; counter: has the accounts where several processes serve; kept:
    looks an answer of the cache up, replay one of a recording, remembered what other nodes keep, leases gives parts of
    limits, in a thread; None where nobody can."""

    def __init__(
        self,
        path: str,
        on_up: Callable[[int, Up], None],
        find: Callable[[AnswerQuestion], AnswerFound] | None = None,
        spent: Callable[[SpentQuestion], SpentFound] | None = None,
        counter: CashierServer | None = None,
        kept: Callable[[KeptQuestion], KeptFound] | None = None,
        replay: Callable[[ReplayQuestion], ReplayFound] | None = None,
        remembered: Callable[[RememberedQuestion], RememberedFound] | None = None,
        leases: Callable[[LeaseQuestion], LeaseFound] | None = None,
    ) -> None:
        self._on_up = on_up
        self._find = find
        self._spent = spent
        self._counter = counter
        self._kept = kept
        self._replay = replay
        self._remembered = remembered
        self._leases = leases
        self._limits: dict[tuple[str, Limit], LimitSpec] = {}
        self._finding: set[asyncio.Task[None]] = set()
        self._server = LocalServer(path, self._serve)
        self._questions = Questions()
        self._peers: set[_Peer] = set()
        self._snapshot: Snapshot | None = None
        self._changed = asyncio.Condition()
        self._storing = asyncio.Lock()  # in the order in which they came: they would wait for one file anyway

    async def start(self) -> None:
        """Listen. Raises OSError when the socket cannot be made."""
        await self._server.start()

    async def stop(self) -> None:
        """Close the socket and every connection."""
        await self._server.stop()

    @property
    def workers(self) -> list[tuple[int, int]]:
        """(worker, pid) of every connected data-plane process."""
        return sorted((peer.worker, peer.pid) for peer in self._there())

    def _there(self) -> list[_Peer]:
        return [peer for peer in self._peers if peer.worker >= 0 and not peer.gone]

    def publish(self, snapshot: Snapshot) -> None:
        """Make this the snapshot of every connected process and of each that connects from now on."""
        self._snapshot = snapshot
        self._limits = {limit.name: limit for limit in snapshot.limits}
        frame = encode(snapshot)
        for peer in self._there():
            if (
                peer.writer.transport.get_write_buffer_size() > MAX_FRAME
            ):  # it hangs; it will ask again if it wakes
                peer.writer.transport.abort()
            else:
                peer.writer.write(frame)

    async def ask_all(self, make: Callable[[int], Asked], kind: type[A]) -> Sequence[A]:
        """What each connected process answers; one that does not in time is left out."""
        found = await asyncio.gather(*(self._ask(peer, make, kind) for peer in self._there()))
        return [one for one in found if one is not None]

    async def _ask(self, peer: _Peer, make: Callable[[int], Asked], kind: type[A]) -> A | None:
        def say(question: Asked) -> bool:
            peer.writer.write(encode(question))
            return True

        try:
            return await self._questions.ask(say, make, kind, _silent)
        except PointsmanError as error:
            log.info("worker %s: %s", peer.worker, error.public)
            return None

    async def wait_applied(self, epoch: str, version: int, timeout: float) -> bool:  # noqa: ASYNC109
        """True when every connected process serves by that version; False after `timeout` seconds."""

        def done() -> bool:
            return all(p.applied[0] == epoch and p.applied[1] >= version for p in self._there())

        with suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(done)
        return done()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _Peer(writer)
        self._peers.add(peer)
        in_order = asyncio.create_task(self._take_in_order(peer))
        try:
            while True:
                message = await read_up(reader)
                if isinstance(message, _AT_ONCE) or _is_renewal(message):
                    await self._take(peer, message)
                else:
                    await _put_in_order(peer, message)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, LinkError) as error:
            if not isinstance(error, asyncio.IncompleteReadError):
                log.warning("link to worker %s ended: %s", peer.worker, error)
        except BaseException:
            in_order.cancel()
            raise
        finally:
            peer.gone = True
            if self._counter is not None:
                self._counter.left(peer.pid, lambda: any(one.pid == peer.pid for one in self._there()))
            async with self._changed:
                self._changed.notify_all()
            with suppress(asyncio.CancelledError):
                peer.waiting.put_nowait(None)
                await in_order
            self._peers.discard(peer)

    async def _take_in_order(self, peer: _Peer) -> None:
        """What is stored, and what is asked with all that came before it, while somebody waits for the answer."""
        while (one := await peer.waiting.get()) is not None:
            came, message = one
            if isinstance(message, _QUESTIONS) and time.monotonic() - came > SECONDS:
                continue
            try:
                await self._take(peer, message)
            except Exception:
                log.exception("what worker %s sent could not be taken", peer.worker)
                peer.writer.transport.abort()
            if isinstance(message, UsageBatch):
                peer.batches.discard(message.batch)
            elif isinstance(message, _KEPT):
                peer.room.release()

    async def _take(self, peer: _Peer, message: Up) -> None:
        match message:
            case Hello():
                for other in self._peers:
                    other.followed = other.followed or other.worker == message.worker
                peer.worker, peer.pid = message.worker, message.pid
                if self._snapshot is not None:
                    peer.writer.write(encode(self._snapshot))
            case Applied():
                peer.applied = (message.epoch, message.version)
                async with self._changed:
                    self._changed.notify_all()
            case UsageBatch():
                await self._store(peer, message)
            case WorkerStatus() | FoundServers() | Reached():
                self._on_up(peer.worker, message)
            case _ if isinstance(message, _KEPT):
                await self._keep(peer, message)
            case KeptQuestion():
                self._find_out(self._tell_kept(peer, message))
            case ReplayQuestion():
                self._find_out(self._tell_recorded(peer, message))
            case RememberedQuestion():
                self._find_out(self._tell_remembered(peer, message))
            case RunningFound() | EndFound():
                self._questions.answered(message)
            case AnswerQuestion():
                peer.writer.write(encode(await self._answer(message)))
            case Reserve():
                self._find_out(self._reserve(peer, message))  # it may wait for what is read from the log
            case Settle():
                if self._counter is not None:
                    self._counter.settle(peer.pid, message)
            case SpentQuestion():
                able = not peer.lacks
                found = await self._what_was_spent(message) if able else SpentFound(message.number, None)
                peer.writer.write(encode(found))
            case LeaseQuestion():
                able = not (peer.lacks and any(one.fresh for one in message.of))
                self._find_out(self._tell_leases(peer, message, able=able))

    async def _store(self, peer: _Peer, message: UsageBatch) -> None:
        peer.lacks.add(message.batch)
        try:
            async with self._storing:
                # what was sent before a kill may be read after what the next process found on disk
                batch = replace(message, again=True) if peer.followed else message
                await asyncio.to_thread(self._on_up, peer.worker, batch)
        except NotTaken:
            return
        except PointsmanError as error:  # it comes again and again: said once
            if error.public != peer.complaint:
                log.warning("usage of worker %s waits: %s", peer.worker, error.public)
            peer.complaint = error.public
            return
        except Exception:
            log.exception("usage batch %s of worker %s was not stored", message.batch, peer.worker)
            return
        peer.complaint = ""
        peer.lacks.discard(message.batch)
        peer.writer.write(encode(UsageAck(message.batch)))

    def _find_out(self, work: Coroutine[Any, Any, None]) -> None:
        """While what comes next is read."""
        task = asyncio.create_task(work)
        self._finding.add(task)
        task.add_done_callback(self._finding.discard)

    async def _tell_kept(self, peer: _Peer, question: KeptQuestion) -> None:
        found = KeptFound(question.number)
        try:
            if self._kept is not None:
                found = await asyncio.to_thread(self._kept, question)
        except Exception:
            log.exception("an answer of the cache could not be looked up")
        if not peer.writer.is_closing():
            peer.writer.write(encode(found))

    async def _tell_recorded(self, peer: _Peer, question: ReplayQuestion) -> None:
        found = ReplayFound(question.number, missing="it could not be looked into; the log says why")
        try:
            if self._replay is not None:
                found = await asyncio.to_thread(self._replay, question)
        except Exception:
            log.exception("a recording could not be looked into")
        if not peer.writer.is_closing():
            peer.writer.write(encode(found))

    async def _tell_remembered(self, peer: _Peer, question: RememberedQuestion) -> None:
        found = RememberedFound(question.number)
        try:
            if self._remembered is not None:
                found = await asyncio.to_thread(self._remembered, question)
        except PointsmanError as error:
            log.warning("what other nodes remember cannot be looked up: %s", error.public)
        except Exception:
            log.exception("what other nodes remember cannot be looked up")
        if not peer.writer.is_closing():
            peer.writer.write(encode(found))

    async def _reserve(self, peer: _Peer, asked: Reserve) -> None:
        found = Reserved(asked.number, able=False)
        if self._counter is not None:
            found = await self._counter.reserve(peer.pid, asked, self._limits)
        if not peer.writer.is_closing():
            peer.writer.write(encode(found))

    async def _what_was_spent(self, question: SpentQuestion) -> SpentFound:
        """With all that came before it: what one process sends is taken in order."""
        try:
            if self._spent is not None:
                return await asyncio.to_thread(self._spent, question)
        except PointsmanError as error:
            log.warning("what was spent cannot be told: %s", error.public)
        except Exception:
            log.exception("what was spent cannot be told")
        return SpentFound(question.number, None)

    async def _tell_leases(self, peer: _Peer, question: LeaseQuestion, *, able: bool) -> None:
        found = LeaseFound(question.number)
        try:
            if self._leases is not None and able:
                found = await asyncio.to_thread(self._leases, question)
        except PointsmanError as error:
            log.warning("no part of the limits can be had: %s", error.public)
        except Exception:
            log.exception("no part of the limits can be had")
        if not peer.writer.is_closing():
            peer.writer.write(encode(found))

    async def _keep(self, peer: _Peer, bodies: Up) -> None:
        try:
            await asyncio.to_thread(self._on_up, peer.worker, bodies)
        except Exception:
            log.exception("%s of worker %s was not kept", type(bodies).__name__, peer.worker)

    async def _answer(self, question: AnswerQuestion) -> AnswerFound:
        try:
            if self._find is not None:
                return await asyncio.to_thread(self._find, question)
        except Exception:
            log.exception("an answer could not be looked up")
        return AnswerFound(question.number, able=False)


async def _put_in_order(peer: _Peer, message: Up) -> None:
    if isinstance(message, UsageBatch):
        if message.batch in peer.batches:
            return
        peer.batches.add(message.batch)
    elif isinstance(message, _KEPT):
        await peer.room.acquire()
    peer.waiting.put_nowait((time.monotonic(), message))


def _is_renewal(message: Up) -> bool:
    """Of parts of limits that are known: what was recorded is nothing to it."""
    return isinstance(message, LeaseQuestion) and not any(one.fresh for one in message.of)


def _silent() -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, "It does not answer now.", retry_after=1)
