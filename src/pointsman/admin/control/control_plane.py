"""What the control plane holds open: database, vault, usage, the newest snapshot, and the link it goes out
on.

With a gateway `connect_link` is called and every write answers when it is live; a command without a gateway
uses the same object with no link. Not here: HTTP (app.py) and what a request may do (guard.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from ...config import DATABASE_VARIABLE, Limits
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import UsageBlock
from ...link.messages import (
    FoundServer,
    Snapshot,
)
from ...routing.specs import recording_spec
from ..store import asking, client_keys, local_backends, sealing, settings
from ..store.database import Store
from ..store.rotation import open_vault, renew_key
from ..store.shadows import ShadowStore
from ..store.snapshot import compile_snapshot
from ..store.usage import UsageStore
from ..store.usage_opening import open_usage
from ..vault import Vault, check_opens
from . import found, placing
from .accountant import Accountant
from .answer_cache import AnswerCache
from .auth import AdminToken
from .captured import CapturedFiles
from .engines import Engines
from .events import Events
from .last_good import LastGood
from .live import Live
from .nodes_at_hand import among_nodes
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
from .turns import PublishingTurns
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
        self.live = live = Live(self.epoch)
        self.started_at = time.time()
        self._version = 0
        self._publishing = PublishingTurns()
        self._stale = False  # a change is committed that no snapshot holds yet
        # Is the snapshot's last problem that? When did the database last take no change, and why?
        self._told, self._refused = False, (-_TOLD_SECONDS, "")
        self._last_good = LastGood(data_dir)
        self.servers: tuple[FoundServer, ...] | None = None  # None: not looked yet
        self._opened: sealing.Opened = {}  # provider keys by their rows, should the master key be another one tomorrow
        self._rules_version = 0  # the database's, of the snapshot
        self.nodes = among_nodes(store.backing, self.follow, self.board, self.newest, options.reach, live)
        self.found: list[found.Named] = []
        self.taps: list[Callable[[UsageBlock], object]] = []  # get what was stored, in a thread
        self.on_found: Callable[[], None] = lambda: None
        self.engines = Engines(data_dir, self._engine_at, partial(self.live.changed, "engines", "backends"))
        self._link: LinkServer | None = None
        self.running = RunningRequests()
        hooks = partial(hooks_of, store, vault)
        self.events = Events(hooks, send, on_change=partial(self.live.changed, "webhooks"))
        self.captured = CapturedFiles(data_dir, vault)
        self.recordings = Recordings(data_dir, vault)
        self.recorders = Recorders(self.recordings, lambda: self.board.samples(time.monotonic()))
        self.answers = AnswerCache(data_dir, vault, Limits.from_environment().cache_bytes)
        self.watch = Watch(self.board, self.events.tell)
        self.accountant = Accountant(store, usage, self.events.tell, self.nodes)
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
            usage = open_usage(store, data_dir)
            opened.callback(usage.close)
            options = options or Options()
            if options.client_key is not None:
                client_keys.keep_given(store, options.client_key)
            control = cls(data_dir, environ, store, vault, usage, options)
            opened.pop_all()
            return control

    def close(self) -> None:
        """Close both databases. The link is stopped by who started it."""
        if self.nodes is not None:
            self.nodes.leave()
        self.usage.close()
        self.shadows.close()
        self.store.close()

    # -- reading and changing --

    def newest(self) -> Snapshot:
        """What the data plane serves by, or is about to."""
        return self.snapshot

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
        if self.nodes is not None:
            asking.not_live_on(self.nodes.behind(self._rules_version))

    def follow(self, version: int | None = None) -> bool:
        """Another node has changed something: serve by it, under a master key that was changed there, too. version: of the
        rules, where it is nothing else; one that this node made itself it has read by then."""
        with self._publishing:
            known = self._known(version)
        try:
            with translated_errors():
                if not known:
                    renew_key(self.store, self.vault, self.data_dir, self.environ)
        except PointsmanError as error:
            log.error("a change on another node is not live here yet: %s", error.public)
            return False
        return self.publish(version)

    def _known(self, version: int | None) -> bool:
        return version is not None and version <= self._rules_version and not self._stale

    def publish(self, version: int | None = None) -> bool:
        """Compile a snapshot and make every data-plane process serve by it; the last one does where it has that version of
        the rules. False when one has not said so in time (it will: the newest is sent to whoever connects)."""
        asked = self._publishing.ask()
        with self._publishing:  # versions go out in the order they were compiled
            # where several change at once, one that began to read after this was asked holds it, too
            covered = self._known(version) or self._publishing.covered(asked)
            if not covered and not self._publish_newest():
                return False
            snapshot, version = self.snapshot, self._rules_version
        live = self._link is None or self._wait_applied(snapshot)
        if live and self.nodes is not None:
            self.nodes.applied(version)
        return live

    def _publish_newest(self) -> bool:
        """False: it cannot be read now."""
        began = self._publishing.ask()
        self._stale = True
        try:
            with translated_errors():
                snapshot = self._compile()
        except PointsmanError as error:
            log.error("a change is stored but not live yet: %s", error.public)
            return False
        self._stale = self._told = False
        self.snapshot = snapshot
        self._publishing.published(began)
        self.live.changed("rules", "keys", "models", "backends")
        if self._link is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self.accountant.cashier.follow, snapshot.limits)
            self._loop.call_soon_threadsafe(self._link.publish, self.own_key.let_in(snapshot))
            self._loop.call_soon_threadsafe(self.engines.look)
        return True

    def _compile(self) -> Snapshot:
        self._version += 1
        with self.store.read() as session:
            self._rules_version = self.store.version(session)
            opened: sealing.Opened = {}
            known = ChainMap(opened, self._opened)
            local = local_backends.list_all(session)
            snapshot = compile_snapshot(session, self.vault, self._version, self.epoch, known, local)
            self._opened = opened
            stored = local_backends.names_here(local, None if self.nodes is None else self.nodes.name)
        if self.options.require_keys and not snapshot.keys_required:
            snapshot = msgspec.structs.replace(snapshot, keys_required=True)
        self._last_good.keep(snapshot, self.vault)
        ours = self.engines.addresses()
        self.found = found.named(
            self.servers or (), stored, ours
        )  # which no later start may take for granted
        recorded = map(recording_spec, self.recordings.names())
        snapshot = self._placed(snapshot)
        backends = (*self.engines.take(snapshot.backends), *found.specs(self.found), *recorded)
        return msgspec.structs.replace(
            snapshot,
            backends=backends,
            recordings=self.recorders.specs(),
            leaving=self.nodes is not None and self.nodes.draining,
            shared=self.nodes is not None and bool(self.nodes.name),
            leases=self.accountant.leases,
        )

    def _placed(self, snapshot: Snapshot) -> Snapshot:
        """See placing.py."""
        if self.nodes is None:
            return placing.placed(snapshot, None, {}, None)
        self.nodes.watched = placing.followed(snapshot, self.nodes.name)
        key = self.vault.derived(placing.LABEL)
        return placing.placed(snapshot, self.nodes.name, self.nodes.urls, key)

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

    def connected(self, link: LinkServer, loop: asyncio.AbstractEventLoop) -> None:
        """Its data-plane processes are reached by that from now on (intake.py)."""
        link.publish(self.own_key.let_in(self.snapshot))
        self._link, self._loop = link, loop
        self.running.link = link

    @property
    def keys_ever_made(self) -> bool:
        """Whether there is, or was, a client key."""
        with self.store.read() as session:
            return client_keys.required(session)

    def republish_found(self) -> None:
        """Model servers were found, or are gone, or are our own: said in the background, as it waits for the data plane."""
        if self._loop is not None:
            self._loop.run_in_executor(None, self._publish_found)

    def _engine_at(self, address: str) -> None:
        """It may have been taken for a server that somebody else started."""
        if any(one.server.base_url == address for one in self.found):
            self.republish_found()

    def _publish_found(self) -> None:
        self.publish()
        self.on_found()

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
            if self.nodes is not None and self.nodes.name:
                now = self.nodes.problem or now  # it looks each second, too
                self._look_for_key()
            else:
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

    def _look_for_key(self) -> None:
        """The master key that was changed on another node may have come to this one's file."""
        if self.vault.problem is not None and renew_key(self.store, self.vault, self.data_dir, self.environ):
            log.warning("the master key of all nodes is here")
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
