"""The control plane's end of the link: gives every data-plane process the newest snapshot, takes usage and status, and asks
all of them what only they know.

It decides nothing: what arrives goes to one callback, what to publish comes from the control plane.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from ..errors import PointsmanError
from ..kinds import ErrorKind, Limit
from ..ledger.accounts import LimitSpec
from .frames import MAX_FRAME, LinkError, encode, read_up
from .kept_messages import KeepAnswer, KeepRecorded, KeptFound, KeptQuestion, ReplayFound, ReplayQuestion
from .lease_messages import LeaseFound, LeaseQuestion
from .lines import QUESTIONS, Lines, Shared
from .local_server import LocalServer
from .messages import (
    AnswerFound,
    AnswerQuestion,
    Applied,
    Asked,
    Captured,
    Down,
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
from .shared_messages import RememberedFound, RememberedQuestion
from .spending import CashierServer

log = logging.getLogger("pointsman.link")

Q = TypeVar("Q")
F = TypeVar("F", bound=Down)


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
        self.lines = Lines()


class LinkServer:
    """path: Unix socket to listen on (folder must be 0700). on_up(worker, message): called for WorkerStatus and FoundServers
    on the loop and for UsageBatch in a thread; a batch is acknowledged only when the call returned without raising. find:
    looks an answer up, spent what was spent, in a thread; counter: has the accounts where several processes serve; kept:
    looks an answer of the cache up, replay one of a recording, remembered what other nodes keep, leases gives parts of
    limits, remember keeps for other nodes, in a thread; None where nobody can."""

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
        remember: Callable[[Sequence[Shared]], None] | None = None,
    ) -> None:
        self._on_up = on_up
        self._find = find
        self._spent = spent
        self._counter = counter
        self._kept = kept
        self._replay = replay
        self._remembered = remembered
        self._leases = leases
        self._remember = remember
        self._complaint = ""  # why what other nodes find was not kept
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
        """Close the socket and every connection, when what waits has been taken; what cannot be kept now is left out."""
        for peer in self._peers:
            peer.lines.end(left_out=True)
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
            if peer.writer.transport.get_write_buffer_size() > MAX_FRAME:
                peer.writer.transport.abort()  # it hangs; it will ask again if it wakes
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
        lines = peer.lines
        working = asyncio.create_task(
            lines.run(partial(self._take_in_order, peer), partial(self._take_shared, peer))
        )
        try:
            while True:
                message, size = await read_up(reader)
                if not lines.put(message, size):
                    await self._take(peer, message)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, LinkError) as error:
            if not isinstance(error, asyncio.IncompleteReadError):
                log.warning("link to worker %s ended: %s", peer.worker, error)
        except BaseException:
            working.cancel()
            raise
        finally:
            peer.gone = True
            if self._counter is not None:
                self._counter.left(peer.pid, lambda: any(one.pid == peer.pid for one in self._there()))
            async with self._changed:
                self._changed.notify_all()
            lines.end()
            with suppress(asyncio.CancelledError):
                await working
            self._peers.discard(peer)

    async def _take_in_order(self, peer: _Peer, messages: Sequence[Up], waited: float) -> Sequence[Up]:
        """What is stored, and what is asked with all that came before it, while somebody waits for the answer."""
        for message in messages:
            if isinstance(message, QUESTIONS) and waited > SECONDS:
                continue
            try:
                await self._take(peer, message)
            except Exception:
                log.exception("what worker %s sent could not be taken", peer.worker)
                peer.writer.transport.abort()
            if isinstance(message, UsageBatch):
                peer.lines.batches.discard(message.batch)
        return ()

    async def _take_shared(self, peer: _Peer, messages: Sequence[Up], waited: float) -> Sequence[Up]:
        """What all nodes find, kept together. While the database is away it comes again, and who asks finds nothing."""
        kept = [one for one in messages if isinstance(one, Shared)]
        away = bool(kept) and not await self._keep_shared(kept)
        for question in messages:
            if isinstance(question, RememberedQuestion):
                find = None if away else self._remembered
                nothing = RememberedFound(question.number)
                self._find_out(self._tell(peer, find, question, nothing, "what other nodes remember"))
        return kept if away else ()

    async def _keep_shared(self, kept: Sequence[Shared]) -> bool:
        """False: not now. What is not taken with others is tried alone."""
        if self._remember is None:
            return True
        try:
            await asyncio.to_thread(self._remember, kept)
        except PointsmanError as error:
            now = error.retry_after is None
            if now and len(kept) > 1:
                return all([await self._keep_shared([one]) for one in kept])
            if error.public != self._complaint:  # it comes again and again: said once
                log.warning("what other nodes find %s: %s", "is not kept" if now else "waits", error.public)
            self._complaint = error.public
            return now
        except Exception:
            log.exception("what other nodes find is not kept")
        else:
            self._complaint = ""
        return True

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
            case Captured() | KeepAnswer() | KeepRecorded() | Shadowed():
                await self._keep(peer, message)
            case KeptQuestion():
                nothing = KeptFound(message.number)
                self._find_out(self._tell(peer, self._kept, message, nothing, "an answer of the cache"))
            case ReplayQuestion():
                missing = ReplayFound(message.number, missing="it could not be looked into; the log says why")
                self._find_out(self._tell(peer, self._replay, message, missing, "a recording"))
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

    async def _tell(
        self, peer: _Peer, find: Callable[[Q], F] | None, question: Q, nothing: F, what: str
    ) -> None:
        found = nothing
        try:
            if find is not None:
                found = await asyncio.to_thread(find, question)
        except PointsmanError as error:
            log.warning("%s cannot be looked up: %s", what, error.public)
        except Exception:
            log.exception("%s cannot be looked up", what)
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


def _silent() -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, "It does not answer now.", retry_after=1)
