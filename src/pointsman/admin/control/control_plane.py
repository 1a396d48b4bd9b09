"""What the control plane holds open: database, vault, usage, the newest snapshot, and the link it goes out
on.

With a gateway `connect_link` is called and every write answers when it is live; a command without a gateway
uses the same object with no link. Not here: HTTP (app.py) and what a request may do (guard.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from ...config import DATABASE_VARIABLE, USAGE_FILE, Limits
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import UsageBlock
from ...link.kept_messages import KeepAnswer, KeepRecorded
from ...link.messages import (
    AnswerFound,
    AnswerQuestion,
    Captured,
    FoundServer,
    FoundServers,
    Reached,
    Shadowed,
    Snapshot,
    Up,
    UsageBatch,
    WorkerStatus,
)
from ...process.standing import Standing
from ...routing.specs import recording_spec
from ..store import client_keys, credentials, local_backends, sealing, settings
from ..store.database import Store
from ..store.rotation import open_vault
from ..store.shadows import ShadowStore
from ..store.snapshot import compile_snapshot
from ..store.usage import UsageStore
from ..vault import Vault, check_opens
from . import found
from .accountant import Accountant
from .answer_cache import AnswerCache
from .auth import AdminToken
from .captured import CapturedFiles
from .engines import Engines
from .events import Events
from .last_good import LastGood
from .live import Live
from .opening import Options, refuse_lost
from .own_key import OwnKey
from .process_status import StatusBoard
from .recorders import Recorders
from .recordings import Recordings
from .retention import Retention
from .running import RunningRequests
from .sending import hooks_of, send
from .sessions import Sessions
from .trouble import translated_errors
from .watch import Watch

if TYPE_CHECKING:
    from sqlmodel import Session

    from ...link.server import LinkServer

log = logging.getLogger("pointsman.control")

APPLY_SECONDS = 2.0
"""How long a write waits for every data-plane process to serve by it."""

_REPUBLISH_SECONDS = 1.0

_TOLD_SECONDS = 10.0
"""How long a change that the database did not take is told of, unless it is gone for good."""


class ControlPlane:
    """Made by `ControlPlane.open`, ended by `close`. Every method may be called from any thread."""

    def __init__(
        self,
        data_dir: Path,
        environ: Mapping[str, str],
        store: Store,
        vault: Vault,
        usage: UsageStore,
        options: Options,
    ) -> None:
        self.data_dir = data_dir
        self.environ = environ
        self.options = options
        self.store = store
        self.vault = vault
        self.usage = usage
        self.shadows = ShadowStore(data_dir)
        self.retention = Retention(store, usage, self.shadows)
        self.token = AdminToken.ensure(data_dir)
        self.sessions = Sessions(data_dir, self.token)
        self.own_key = OwnKey()
        self.board = StatusBoard()
        self.epoch = secrets.token_hex(8)
        self.live = Live(self.epoch)
        self.started_at = time.time()
        self._version = 0
        self._publishing = threading.Lock()
        self._stale = False  # a change is committed that no snapshot holds yet
        self._told = False  # the snapshot's last problem is that
        self._refused = (-_TOLD_SECONDS, "")  # when the database last took no change, and why
        self._last_good = LastGood(data_dir)
        self._servers: tuple[FoundServer, ...] | None = None
        self.found: list[found.Named] = []
        self.taps: list[Callable[[UsageBlock], object]] = []  # get what was stored, in a thread
        self.on_found: Callable[[], None] = lambda: None
        self.engines = Engines(data_dir, self._engine_at, partial(self.live.changed, "engines", "backends"))
        self._link: LinkServer | None = None
        self.running = RunningRequests()
        self.events = Events(
            partial(hooks_of, store, vault), send, on_change=partial(self.live.changed, "webhooks")
        )
        self.captured = CapturedFiles(data_dir, vault)
        self.recordings = Recordings(data_dir, vault)
        self.recorders = Recorders(self.recordings, lambda: self.board.samples(time.monotonic()))
        self.answers = AnswerCache(data_dir, vault, Limits.from_environment().cache_bytes)
        self.watch = Watch(self.board, self.events.tell)
        self.accountant = Accountant(store, usage, self.events.tell)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.snapshot = self._compile()

    @classmethod
    def open(cls, data_dir: Path, environ: Mapping[str, str], options: Options | None = None) -> ControlPlane:
        """Open everything in a data folder whose lock the caller holds. Raises PointsmanError saying what
        to do."""
        url = environ.get(DATABASE_VARIABLE)
        with translated_errors(), ExitStack() as opened:
            refuse_lost(data_dir, url)
            store = Store.open(data_dir, url)
            opened.callback(store.close)
            vault = open_vault(store, data_dir, environ)
            usage = UsageStore(data_dir / USAGE_FILE)
            opened.callback(usage.close)
            options = options or Options()
            if options.client_key is not None:
                client_keys.keep_given(store, options.client_key)
            control = cls(data_dir, environ, store, vault, usage, options)
            opened.pop_all()
            return control

    def close(self) -> None:
        """Close both databases. The link is stopped by who started it."""
        self.usage.close()
        self.shadows.close()
        self.store.close()

    # -- reading and changing --

    def read(self) -> AbstractContextManager[Session]:
        """A session that only reads."""
        return self.store.read()

    @contextmanager
    def change(self) -> Iterator[Session]:
        """One transaction; when it has committed the change is published before this returns."""
        try:
            with self.store.write() as session:
                yield session
        except PointsmanError as error:
            if error.kind is ErrorKind.UNAVAILABLE and error.retry_after is not None:
                self._refused = (time.monotonic(), error.public)
            raise
        self.publish()

    def publish(self) -> bool:
        """Compile a snapshot and make every data-plane process serve by it.

        False when one has not said so in time (it will: the newest snapshot is sent to whoever connects)."""
        with self._publishing:  # versions go out in the order they were compiled
            self._stale = True
            try:
                with translated_errors():
                    snapshot = self._compile()
            except PointsmanError as error:
                log.error("a change is stored but not live yet: %s", error.public)
                return False
            self._stale = self._told = False
            self.snapshot = snapshot
            self.live.changed("rules", "keys", "models", "backends")
            if self._link is None or self._loop is None:
                return True
            self._loop.call_soon_threadsafe(self.accountant.cashier.follow, snapshot.limits)
            self._loop.call_soon_threadsafe(self._link.publish, self.own_key.let_in(snapshot))
            self._loop.call_soon_threadsafe(self.engines.look)
        return self._wait_applied(snapshot)

    def _compile(self) -> Snapshot:
        self._version += 1
        with self.store.read() as session:
            snapshot = compile_snapshot(session, self.vault, self._version, self.epoch)
            stored = {row.name: row.base_url for row in local_backends.list_all(session)}
        if self.options.require_keys and not snapshot.keys_required:
            snapshot = msgspec.structs.replace(snapshot, keys_required=True)
        self._last_good.keep(snapshot, self.vault)
        ours = self.engines.addresses()
        self.found = found.named(
            self._servers or (), stored, ours
        )  # which no later start may take for granted
        recorded = map(recording_spec, self.recordings.names())
        backends = (*self.engines.take(snapshot.backends), *found.specs(self.found), *recorded)
        return msgspec.structs.replace(snapshot, backends=backends, recordings=self.recorders.specs())

    def reload(self) -> bool:
        """Read the master key and the rules again and serve by them. What cannot be used is refused whole: the last
        good stays, and the log says why. Whether it worked."""
        try:
            with translated_errors():
                vault = open_vault(self.store, self.data_dir, self.environ)
                if vault.problem is not None:
                    raise PointsmanError(ErrorKind.UNAVAILABLE, vault.problem)
                with self.store.read() as session:  # and no rotation commits meanwhile
                    check = settings.get(session, settings.MASTER_KEY_CHECK)
                    if check is None or check_opens(vault.require(), check):
                        self.vault.adopt(vault.require())
        except PointsmanError as error:
            log.error("not reloaded, the last good rules stay: %s", error.public)
            return False
        live = self.publish()
        if not self._stale:
            log.warning("reloaded: %s", self.snapshot)
        return live

    def _wait_applied(self, snapshot: Snapshot) -> bool:
        assert self._link is not None
        assert self._loop is not None
        waiting = asyncio.run_coroutine_threadsafe(
            self._link.wait_applied(snapshot.epoch, snapshot.version, APPLY_SECONDS), self._loop
        )
        try:
            live = waiting.result(APPLY_SECONDS + 1.0)
        except FutureTimeoutError:
            waiting.cancel()
            live = False
        if not live:
            log.warning(
                "a data-plane process has not taken snapshot %s in %s s", snapshot.version, APPLY_SECONDS
            )
        return live

    # -- the link --

    async def connect_link(self, path: str) -> LinkServer:
        """Listen for data-plane processes on a Unix socket, from the running loop."""
        from ...link.server import LinkServer

        accountant = self.accountant
        looking = (self.answers.find, self.recordings.find)
        link = LinkServer(path, self.take, self.find_answer, accountant.find, accountant.server, *looking)
        accountant.cashier.follow(self.snapshot.limits)
        await link.start()
        link.publish(self.own_key.let_in(self.snapshot))
        self._link, self._loop = link, asyncio.get_running_loop()
        self.running.link = link
        return link

    def standing(self) -> Standing:
        """What a gateway that starts shows of it."""
        with self.store.read() as session:
            rows: list[sealing.SealedRow] = [*credentials.list_all(session)]
            rows += local_backends.list_all(session)
        backends = [(sealing.key_of(row), sealing.base_url_of(row)) for row in rows]
        near = [
            (one.key, one.server.title, one.server.base_url, one.server.problem or "") for one in self.found
        ]
        looked = self._servers is not None or not self.options.discover
        return Standing(
            backends, self.snapshot.problems, self.snapshot.keys_required, near if looked else None
        )

    @property
    def keys_ever_made(self) -> bool:
        """Whether there is, or was, a client key."""
        with self.store.read() as session:
            return client_keys.required(session)

    def take(self, worker: int, message: Up) -> None:
        """What a data-plane process sends up. A usage batch is on disk when this returns."""
        if isinstance(message, WorkerStatus):
            if self.board.take(message, time.monotonic()):
                self.live.changed("backends")
            self.watch.look()
        elif isinstance(message, UsageBatch):
            self.usage.add(message.block, again=message.again)
            self.live.changed("requests", "spending")
            for tap in self.taps:
                try:
                    tap(message.block)
                except Exception:  # it is stored all the same, and must not come again
                    log.exception("usage could not be told on")
        elif isinstance(message, Reached):
            self.accountant.reached(message)
        elif isinstance(message, Captured):
            self.captured.keep(message)
            self.live.changed("bodies")
        elif isinstance(message, KeepAnswer):
            self.answers.keep(message)
        elif isinstance(message, Shadowed):
            self.shadows.add(message)
        elif isinstance(message, KeepRecorded):
            self.recorders.take(message)
        elif isinstance(message, FoundServers) and message.servers != self._servers:
            self._servers = message.servers
            told = [f"{one.title} at {one.base_url}" for one in message.servers]
            log.info("model servers on this computer: %s", ", ".join(told) or "none")
            if self._loop is not None:  # it waits for that very process
                self._loop.run_in_executor(None, self._publish_found)

    def _engine_at(self, address: str) -> None:
        """It may have been taken for a server that somebody else started."""
        if self._loop is not None and any(one.server.base_url == address for one in self.found):
            self._loop.run_in_executor(None, self._publish_found)

    def _publish_found(self) -> None:
        self.publish()
        self.on_found()

    def find_answer(self, question: AnswerQuestion) -> AnswerFound:
        """Who made an answer that a client asks for by its id."""
        target, model = self.usage.answer(question.key_id, question.name) or (None, "")
        return AnswerFound(question.number, target, model)

    def workers(self) -> list[tuple[int, int]]:
        """(worker, pid) of the connected data-plane processes."""
        return self._link.workers if self._link is not None else []

    async def keep_published(self) -> None:
        """Publishes what could not be compiled when it was written, until it could; tends the usage log. Runs as a
        task."""
        while True:
            await asyncio.sleep(_REPUBLISH_SECONDS)
            await asyncio.to_thread(self._look_at_database)
            await asyncio.to_thread(self.retention.tend)
            if self._stale:
                await asyncio.to_thread(self.publish)
            elif self._last_good.failed and not self._told:
                await asyncio.to_thread(self._keep_again)

    def _look_at_database(self) -> None:
        """Is it still there, and has it taken the last change? While not, `/readyz` says why."""
        at, problem = self._refused
        now = problem if time.monotonic() - at < _TOLD_SECONDS else ""
        try:
            with self.store.read() as session:
                settings.get(session, settings.PEPPER)
        except PointsmanError as error:
            now = error.public
            self._refused = (-_TOLD_SECONDS, "")  # for that reason: it is over when it can be read again
        except SQLAlchemyError:
            return  # its tables are other ones: the next change tells of that
        told = self.snapshot.problems[-1:] if self._told else ()
        if now and told != (now,):
            log.error("the database cannot be used; serving on by the rules in memory: %s", now)
            self._tell(now)
        elif not now and self._told:
            log.warning("the database is back")
            self.publish()

    def _tell(self, problem: str) -> None:
        """The same rules with one more problem, for `/readyz` and `/api/status`."""
        with self._publishing:
            problems = self.snapshot.problems[:-1] if self._told else self.snapshot.problems
            self._version += 1
            self._told = True
            self.snapshot = msgspec.structs.replace(
                self.snapshot, version=self._version, problems=(*problems, problem)
            )
            if self._link is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._link.publish, self.snapshot)

    def _keep_again(self) -> None:
        with self._publishing:
            self._last_good.keep(self.snapshot, self.vault)
