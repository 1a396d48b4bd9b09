"""This gateway among those on one PostgreSQL: it gives signs of life, follows what others change, and waits until all that
live serve by a change. Two threads of a gateway; a command without one only waits.

The link of its own is for signs of life and notices; a notice that was lost costs a second, for each sign of life asks for
the version, too. Not here: SQL (store/nodes.py), compiling (control_plane.py).
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg import sql

from ... import __version__
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..store import nodes, remembered
from ..store.nodes import NodeRow
from ..store.postgres import PostgresServer
from ..store.postgres_backing import CHANNEL
from .placing import ANY

log = logging.getLogger("pointsman.control")

BEAT_SECONDS = 1.0
APPLY_SECONDS = 2.0
"""How long a change waits for the other nodes."""
_LOOK_SECONDS = (0.005, 0.1)
"""Between two looks at who is behind: the first, the longest."""
_ANSWER_SECONDS = 4.0
"""For one statement of the link's own."""
_AGAIN_SECONDS = 0.5
_STOP_SECONDS = 5.0
_FORGET_SECONDS = 3600.0
METRICS_SECONDS = 5.0
"""Between two times that a node tells the others what it counts."""


class Nodes:
    """follow: serves by that version of the rules at least, or, of None, by all that is the newest; returns whether it does.
    told: what this node says of itself. counted: what it counts. others_stored: called when another node has stored usage, a
    second later at most."""

    def __init__(
        self,
        server: PostgresServer,
        follow: Callable[[int | None], bool],
        told: Callable[[], dict[str, Any]],
        counted: Callable[[], dict[str, Any]],
        others_stored: Callable[[], None],
    ) -> None:
        self._server = server
        self._follow = follow
        self._told = told
        self._counted = counted
        self._others_stored = others_stored
        self.stored = 0
        """How often this node has stored usage."""
        self._heard_stored: int | None = None
        self.name = ""
        self.incarnation = ""
        self.problem = ""
        """Why this node does not hear of the others."""
        self.draining = False
        self._url = ""
        self.urls: dict[str, str] = {}
        """The other nodes that lived a second ago, and where each is reached, "" where it has not said."""
        self.watched: frozenset[str] = frozenset()
        """Nodes that backends belong to, or that rules name: where one of these comes, goes or moves there are other rules
        to serve by."""
        self._seen = 0  # the newest version that is known to be
        self._applied = 0
        self._wanted = False  # there is something to follow
        self._anew = False  # something that no version tells of
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def join(self, name: str, incarnation: str, url: str) -> None:
        """Be a node from now on. Raises PointsmanError CONFLICT where another one that lives has that name."""
        self.name, self.incarnation, self._url = name, incarnation, url
        until = time.monotonic() + nodes.LIVE_SECONDS + BEAT_SECONDS
        while not self._take_or_later():
            if time.monotonic() > until:  # a predecessor that was killed is silent by now
                raise PointsmanError(
                    ErrorKind.CONFLICT,
                    f"Another gateway on this database goes by the name {name}, and it lives. Give this one its own:"
                    " --node NAME.",
                )
            time.sleep(0.2)
        self._wanted = self._anew = True  # what it serves by says now that it is a node
        for work in (self._beat_for_ever, self._follow_for_ever):
            thread = threading.Thread(target=work, name=f"node-{work.__name__.strip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def leave(self) -> None:
        """Stops both threads; the others need not wait for this node any longer."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        if self._threads:
            self._threads.clear()
            try:
                with self._server.raw() as link:
                    nodes.leave(link, self.name, self.incarnation)
            except PointsmanError:
                pass  # it is taken for dead in a moment

    @property
    def others(self) -> tuple[str, ...]:
        """The other nodes that lived a second ago, by name."""
        return tuple(self.urls)

    def live(self) -> int:
        """How many nodes live, this one included."""
        return len(self.urls) + 1

    def applied(self, version: int) -> None:
        """All of this node serves by that version now. Told at once, for somebody may be waiting."""
        with self._changed:
            if version <= self._applied:
                return
            self._applied = version
        if not self._threads:
            return
        try:
            with self._server.raw() as link:
                self._beat(link)
        except PointsmanError:
            pass  # the next sign of life tells it

    def behind(self, version: int) -> tuple[str, ...]:
        """Waits until all other nodes that live serve by that version; who does not after 2 s. Raises PointsmanError where
        that cannot be asked."""
        wait, longest = _LOOK_SECONDS
        until = time.monotonic() + APPLY_SECONDS
        while True:
            with self._server.raw() as link:
                found = nodes.behind(link, version, self.name)
            if not found or time.monotonic() > until:
                return found
            time.sleep(wait)
            wait = min(2 * wait, longest)

    def link(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A connection for statements that stand by themselves, or a transaction of its own. Raises PointsmanError while the
        database is away."""
        return self._server.raw()

    def listed(self) -> list[NodeRow]:
        """All nodes, the dead ones of the last day, too."""
        with self._server.raw() as link:
            return nodes.listed(link)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """What each node that lives has counted, by its name; this one's own as it is now."""
        with self._server.raw() as link:
            found = nodes.metrics(link)
        return found | {self.name: self._counted()} if self.name else found

    def set_draining(self, name: str, draining: bool) -> bool:
        """Tells a node to take no new clients, or to take them again. False: there is no such node."""
        with self._server.raw() as link:
            return nodes.set_draining(link, name, draining)

    def _take_or_later(self) -> bool:
        """False: another one has the name. While the database is away nobody can say."""
        try:
            return self._take()
        except PointsmanError:
            return True

    def _take(self) -> bool:
        with self._server.raw() as link:
            return nodes.take(link, self.name, self.incarnation, self._applied, __version__, self._url)

    def _beat_for_ever(self) -> None:
        while not self._closed.is_set():
            try:
                with self._server.connect(autocommit=True) as link:
                    self._listen(link)
            except (psycopg.Error, PointsmanError, OSError) as error:
                if not self.problem:
                    log.warning("this node hears nothing of the others: the database cannot be reached")
                    log.debug("its link ended", exc_info=error)
                self.problem = (
                    "This node hears of no change that others make: the database cannot be reached."
                )
            self._closed.wait(_AGAIN_SECONDS * (0.75 + 0.5 * random.random()))  # noqa: S311 -- spreads tries

    def _listen(self, link: psycopg.Connection[Any]) -> None:
        with self._server.within(_ANSWER_SECONDS, link):
            link.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        forget_at = tell_at = time.monotonic()
        while not self._closed.is_set():
            with self._server.within(_ANSWER_SECONDS, link):
                mine = self._beat(link)
                if time.monotonic() >= tell_at:
                    nodes.tell_metrics(link, self.name, self.incarnation, self._counted())
                    tell_at = time.monotonic() + METRICS_SECONDS
                if time.monotonic() >= forget_at:
                    nodes.forget_dead(link)
                    remembered.forget_old(link)
                    forget_at = time.monotonic() + _FORGET_SECONDS
            if mine and self.problem:
                self.problem = ""
                log.warning("this node hears of the others again")
            beat_at = time.monotonic() + BEAT_SECONDS
            while (left := beat_at - time.monotonic()) > 0 and not self._closed.is_set():
                for notice in link.notifies(timeout=left, stop_after=1):
                    self._hear(int(notice.payload))

    def _beat(self, link: psycopg.Connection[Any]) -> bool:
        """False: the name is another gateway's now."""
        told = self._told() | {"stored": self.stored}
        found = nodes.beat(link, self.name, self.incarnation, self._applied, told)
        if found.draining is None:
            if not self._retaken(link):
                return False
            found = found._replace(draining=False)
        if self._heard_stored not in (None, found.stored):
            self._others_stored()
        self._heard_stored = found.stored
        before, self.urls = self.urls, found.others
        watched = before.keys() | self.urls.keys() if ANY in self.watched else self.watched
        moved = any(before.get(name) != self.urls.get(name) for name in watched)
        self._hear(found.version, bool(found.draining), moved=moved)
        return True

    def _retaken(self, link: psycopg.Connection[Any]) -> bool:
        """Its row is gone, or another process's: as after a long time without the database."""
        if nodes.take(link, self.name, self.incarnation, self._applied, __version__, self._url):
            return True
        problem = f"Another gateway on this database goes by the name {self.name}; give one of them another with --node."
        if self.problem != problem:
            log.error("%s", problem)
            self.problem = problem
        return False

    def _hear(self, version: int, draining: bool | None = None, *, moved: bool = False) -> None:
        with self._changed:
            if draining not in (None, self.draining):
                log.warning(
                    "this node %s",
                    "was told to drain: /readyz says 503" if draining else "takes clients again",
                )
                self.draining, moved = not self.draining, True
            self._seen = max(self._seen, version)
            self._anew = self._anew or moved
            self._wanted = self._wanted or moved or self._seen > self._applied
            if self._wanted:
                self._changed.notify_all()

    def _follow_for_ever(self) -> None:
        while not self._closed.is_set():
            with self._changed:
                while not self._wanted and not self._closed.is_set():
                    self._changed.wait()
                version = None if self._anew else self._seen
                self._wanted = self._anew = False
            if self._closed.is_set() or self._follow(version):
                continue
            with self._changed:
                self._wanted, self._anew = True, self._anew or version is None
            self._closed.wait(_AGAIN_SECONDS)
