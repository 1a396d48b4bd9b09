"""Start of a data-plane process. The supervisor starts it with a listening socket and a runtime folder; it serves
until SIGTERM, then drains. Not for people: they run `pointsman serve`."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # while modules are imported, of which hardly anything is garbage; see process/garbage.py

import asyncio
import errno
import faulthandler
import logging
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop

from ..config import CLIENT_KEY_VARIABLE, KEY_VARIABLE, Limits, local_host, otel_url
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..ledger.records import UsageRecord
from ..link.client import LinkClient
from ..link.kept import KeptByLink
from ..link.messages import FoundServer, FoundServers, Snapshot
from ..link.shared import SharedByLink
from ..link.spending import Cashier, RemoteCashier
from ..link.spool import Spool
from ..process.beats import REPLACED_FILE, beat
from ..process.descriptors import few_indeed, raise_limit, shortage
from ..process.environment import take
from ..process.garbage import collect_seldom, imported
from ..process.given_back import Ebb, Lull
from ..process.logs import set_up
from ..process.orders import orders
from ..process.parent import REPLACED_SIGNAL, end_with_parent, leave_nothing
from ..providers.proxies import Proxies
from ..upstream.discovery import Discovery, Server, addresses
from ..upstream.egress import Egress
from ..upstream.pool import Pool
from .client.acceptor import acceptor
from .client.access import HostGuard
from .client.server import ClientConnection
from .data_plane import DataPlane
from .own.control_proxy import end_event_streams
from .own.practice import PracticeSocket
from .own.request_log import tell
from .own.running import answer
from .own.siblings import Siblings
from .own.wanted import wanted
from .request.handle import Handler

if TYPE_CHECKING:
    from ..link.leasing import LeasingCashier

log = logging.getLogger("pointsman.gateway")

TICK_SECONDS = 0.25
FINAL_FLUSH_SECONDS = 2.0
LET_GO_SECONDS = 3.0
"""How long a process that was replaced waits for the next request on a connection that is open."""
_LAST_SECONDS = 10.0
"""After a drain: the last usage, and a margin."""


class _PlaneOrders(msgspec.Struct, frozen=True):
    """replaces: another one that serves, until this one is ready. spool: a folder's path.
    environment_origin: as allow_origin, by another way. See process/orders.py."""

    runtime_dir: str
    listen_fd: tuple[int, ...]
    ready_fd: int
    worker: int
    host: str
    spool: str
    log: Path
    workers: int = 1
    beat_fd: int | None = None
    replaces: bool = False
    no_discover: bool = False
    discover_port: tuple[int, ...] = ()
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    environment_origin: tuple[str, ...] = ()


class DataPlaneProcess:
    """One process: listener, practice backend, link and ticker around one DataPlane."""

    _leasing: LeasingCashier | None = None  # where other gateways share the limits

    def __init__(self, args: _PlaneOrders) -> None:
        self._args = args
        self._limits = Limits.from_environment().of_worker(args.worker, args.workers)
        self._listeners = [socket.socket(fileno=one) for one in args.listen_fd]
        self._connections: set[ClientConnection] = set()
        practice_path = os.path.join(args.runtime_dir, f"practice-{args.worker}.sock")
        own, path = _own_addresses(self._listeners)
        proxies = Proxies.from_environment(os.environ)
        egress = Egress(self._limits.connect_seconds, own, proxies, own_socket=path, local_host=local_host())
        pool = Pool(egress)
        self.plane = DataPlane(
            worker=args.worker,
            workers=args.workers,
            limits=self._limits,
            guard=HostGuard(args.host, args.allow_host, args.allow_origin + args.environment_origin),
            pool=pool,
            practice_path=practice_path,
            control_path=os.path.join(args.runtime_dir, "control.sock"),
        )
        self.plane.runtime_dir = args.runtime_dir
        self.plane.alone = args.workers == 1 and not args.replaces
        if not self.plane.alone:
            known = (self.plane.responses, self.plane.holders, self.plane.conversations)
            about = partial(wanted, self.plane)
            self.plane.siblings = Siblings(args.runtime_dir, args.worker, *known, about)
        self._practice = PracticeSocket(practice_path)
        self._link = LinkClient(
            os.path.join(args.runtime_dir, "link.sock"),
            args.worker,
            self._on_snapshot,
            self.plane.status,
            # one that replaces another leaves the others' files alone: those who write them may still live
            spool=Spool(Path(args.spool), args.worker, sys.maxsize if args.replaces else args.workers),
            tally=self._on_records,
            answer=partial(answer, self.plane),
        )
        self._go_by_link()
        where = [] if args.no_discover else addresses(os.environ, args.discover_port, local_host())
        self._discovery = Discovery(tuple(where), egress, self._on_found)
        self._handler = Handler(self.plane, self._link.usage.record)
        self._stop = asyncio.Event()
        self._hurry = self._replaced = False
        self._has_rules = asyncio.Event()
        self._following: asyncio.Task[None] | None = None  # the warden's word, where there are engines of its

    def _go_by_link(self) -> None:
        """What the plane tells the control plane, and asks it."""
        plane, link = self.plane, self._link
        plane.flush = link.usage.flush
        if otel_url():
            plane.trace = link.usage.trace
        plane.captured, plane.tell_shadowed = link.capture, link.tell_shadowed
        plane.find_answer = link.find_answer
        plane.kept.go(KeptByLink(link))
        plane.shared.go(SharedByLink(link))
        plane.cashier = Cashier(link.spent, link.say) if plane.alone else RemoteCashier(link)

    def _lease(self, without: str) -> None:
        """Other gateways share the limits: each has a part of them."""
        from ..link.leasing import ALLOW, LeasingCashier, by_link

        self._leasing = LeasingCashier(by_link(self._link), allow=without == ALLOW)
        self.plane.cashier = self._leasing

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        if snapshot.leases is not None and type(self.plane.cashier) is Cashier:
            self._lease(snapshot.leases)
        try:
            self.plane.apply(snapshot)
        except Exception:
            log.exception("new rules could not be used; serving on with the last ones")
            return
        self._has_rules.set()
        if self._following is None and any(one.spec.engine for one in self.plane.backends.values()):
            self._following = asyncio.get_running_loop().create_task(self.plane.engines.run())

    def _on_records(self, records: list[UsageRecord]) -> None:
        self.plane.tally.take(records)
        tell(records)

    def _on_found(self, servers: list[Server]) -> None:
        own = set(self.plane.running.values())
        told = [FoundServer(*one.told) for one in servers if one.address.url not in own]
        self._link.tell_found(FoundServers(tuple(told)))

    def _on_signal(self) -> None:
        """The first one drains; a second one ends the drain."""
        self._hurry = self._stop.is_set() and not self._replaced
        self._replaced = False
        self._stop.set()

    def _on_replaced(self) -> None:
        """Another process listens in this one's place: what is open is served to its end."""
        self._replaced = True
        self._stop.set()

    async def run(self) -> None:
        """Serve until SIGTERM; returns when drained."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)  # new rules come by the link
        loop.add_signal_handler(REPLACED_SIGNAL, self._on_replaced)
        self._practice.start()
        if self.plane.siblings is not None:
            await self.plane.siblings.start()
        link = loop.create_task(self._link.run())
        ticker = loop.create_task(self._tick_for_ever())
        discovery = loop.create_task(self._discovery.run())
        await _first(self._has_rules, self._stop)
        self._accept = acceptor(self._limits, self._handler.start, self._handler.refuse, self._connections)
        servers: list[asyncio.AbstractServer] = []
        for listener in self._listeners:
            unix = listener.family == socket.AF_UNIX
            create = loop.create_unix_server if unix else loop.create_server
            servers.append(await create(self._accept, sock=listener, backlog=1024))
        collect_seldom(loop)
        with suppress(OSError):
            os.write(self._args.ready_fd, b"%d\n" % self._args.worker)
        await self._stop.wait()
        discovery.cancel()
        await self._drain(servers)
        if self._leasing is not None:
            await self._leasing.give_back()
        await self._link.drain(FINAL_FLUSH_SECONDS)
        ticker.cancel()
        if self._following is not None:
            self._following.cancel()
        link.cancel()
        self.plane.lists.close()
        self.plane.provider_lists.close()
        self.plane.facts.close()
        self.plane.probes.close()
        self.plane.joining.close()
        self.plane.pool.close()
        if self.plane.siblings is not None:
            await self.plane.siblings.stop()
        await self._practice.stop()

    async def _drain(self, servers: list[asyncio.AbstractServer]) -> None:
        """Stop accepting, let requests finish up to the limit, then end them in-band. A load balancer is given time first to
        see that this gateway goes: each answer is its connection's last, and whoever comes yet is served."""
        plane = self.plane
        if self._limits.leave_seconds and not self._replaced:
            plane.draining = True
            await self._let_go(self._limits.leave_seconds)
        await self._close(servers)
        end_event_streams(plane)
        if plane.draining or self._replaced:
            await self._let_go(LET_GO_SECONDS, closed=True)
        plane.draining = True
        if plane.shadows is not None:
            plane.shadows.close()
        for client in list(self._connections):
            client.close_when_idle()
        deadline = time.monotonic() + self._limits.drain_seconds
        while plane.jobs and time.monotonic() < deadline and not self._hurry:
            await asyncio.sleep(0.02)
        if plane.jobs:
            log.warning("ending %s requests that outlived the drain limit", plane.jobs)
            error = PointsmanError(
                ErrorKind.UNAVAILABLE, "The gateway is shutting down; send the request again."
            )
            for exchange in list(plane.ticking):
                exchange.stop(error)
            await asyncio.sleep(0.2)
        for client in list(self._connections):
            client.close_when_idle()

    async def _close(self, servers: list[asyncio.AbstractServer]) -> None:
        """Take no more. Where a balancer was given time, it may have sent somebody a moment ago: who waits in the queue is
        taken yet, since the kernel resets those as the listener goes."""
        kept = [one.dup() for one in self._listeners] if self.plane.draining else []
        for server in servers:
            server.close()
        waiting = []
        for listener in kept:
            with listener, suppress(OSError):
                listener.setblocking(False)
                while True:
                    waiting.append(listener.accept()[0])
        for connection in waiting:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self._accept, connection)

    async def _let_go(self, seconds: float, *, closed: bool = False) -> None:
        """Each connection's next answer is its last. Who has it open and idle may be sending just now, and would get no
        answer from one that is closed under it: those are closed only after a while. closed: nobody comes any more."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._hurry:
            if closed and not self._connections:
                break
            for client in self._connections:
                client.closing = True
            await asyncio.sleep(0.02)

    async def _tick_for_ever(self) -> None:
        plane, ebb, lull = self.plane, Ebb(), Lull()
        full = False
        while True:
            beat(self._args.beat_fd)
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            full = _tell_of_descriptors(full)
            for client in list(self._connections):
                client.tick(now)
            for exchange in list(plane.ticking):
                exchange.tick(now)
            plane.pool.tick(now)
            plane.facts.tick()
            plane.responses.trim()
            self._link.usage.trim()
            ebb.look(len(self._connections) + plane.jobs)
            lull.look()
            plane.usage_dropped = self._link.usage.dropped


def _tell_of_descriptors(before: bool) -> bool:
    """Are all of this process's descriptors used up? Then no connection is taken: said once, and when it is over."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            return before
        if not before:
            log.error(
                "all %s file descriptors are used up: new connections are turned away; raise the limit (ulimit -n)",
                resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )
        return True
    if before:
        log.warning("there are free file descriptors again: connections are taken")
    return False


async def _first(*events: asyncio.Event) -> None:
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _own_addresses(listeners: list[socket.socket]) -> tuple[frozenset[tuple[str, int]], str | None]:
    """Where this gateway listens, so that egress never calls it: addresses with ports, and the path of a Unix socket."""
    own: set[tuple[str, int]] = set()
    path: str | None = None
    for listener in listeners:
        if listener.family == socket.AF_UNIX:
            path = listener.getsockname()
            continue
        host, port = listener.getsockname()[:2]
        own.add((host, port))
        if host in ("0.0.0.0", "::"):
            own |= {("127.0.0.1", port), ("::1", port)}
    return frozenset(own), path


def main() -> int:
    """Entry point; returns the exit code."""
    imported()
    for secret in (KEY_VARIABLE, CLIENT_KEY_VARIABLE):
        take(secret)  # whoever started it: nothing here opens what is sealed, or makes keys
    faulthandler.enable()
    args = orders(_PlaneOrders, sys.argv[1:])
    set_up(f"data-plane {args.worker}", "WARNING", args.log)
    limits = Limits.from_environment()
    few = shortage(raise_limit(limits), limits.of_worker(args.worker, args.workers))
    if few is not None:
        # Nobody has asked for so many by name, and hardly anybody needs them: then doctor alone tells.
        asked = "POINTSMAN_MAX_REQUESTS" in os.environ or few_indeed(limits)
        log.log(
            logging.WARNING if asked else logging.INFO,
            "%s; raise the hard limit (ulimit -Hn, LimitNOFILE=) or lower POINTSMAN_MAX_REQUESTS",
            few,
        )
    end_with_parent(limits.leave_seconds + limits.drain_seconds + _LAST_SECONDS)
    try:
        uvloop.run(_run(args))
    finally:
        leave_nothing(
            args.runtime_dir, (f"practice-{args.worker}.sock", f"memory-{args.worker}.sock", REPLACED_FILE)
        )
    return 0


async def _run(args: _PlaneOrders) -> None:
    await DataPlaneProcess(args).run()


if __name__ == "__main__":
    sys.exit(main())
