"""Looks for model servers on this computer: at the ports where they are by habit, and where their variables say.

Nothing but loopback is asked, and the machine that a container runs on where POINTSMAN_LOCAL_HOST names it. Whatever is
there is told apart by what it answers (engines/), never by its port. Not here: what a gateway does with them
(link/messages.py FoundServer, admin/control/found.py).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..engines.engine import LIST, Answers, Engine, EngineState, Reply
from ..engines.registry import ENGINES, SIGNS, identify
from ..errors import PointsmanError
from ..kinds import BackendType
from ..process.owners import Owner, is_trusted, owner_of
from ..providers.urls import is_loopback
from ..routing.specs import BackendSpec
from .backend import Backend
from .egress import Egress
from .fetch import fetch, reply_of
from .model_lists import ROUND_AGENT
from .pool import Pool

log = logging.getLogger("pointsman.discovery")

LOOK_SECONDS = 0.3
"""For one question. A server on this computer that takes longer hangs, or is busy with its first model."""
LIST_SECONDS = 2.0
"""For its list of models, which some read from the disk."""
ROUND_SECONDS = 10.0
"""Between two rounds: a server that comes or goes is noticed within 15 s."""
_SURE_SECONDS = 60.0
"""How long an answer is believed while it loads, of what is no engine that we know, and where nobody tells whose the port
is; else until somebody listens there anew."""
_PATIENCE = (0.0, 5.0, 5.0, 5.0, 60.0, 120.0, 300.0)
"""Seconds until a port is asked again behind which there is no model server: in the next rounds, for one that was just
starting, and then seldom, for somebody's program has a log, too."""


class Address(NamedTuple):
    """Where a server may be."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Its base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class Server(NamedTuple):
    """One that answered as a model server. problem: why it is not used before somebody adopts it, None = it is."""

    address: Address
    engine: Engine
    answers: Answers
    problem: str | None

    @property
    def told(self) -> tuple[str, str, str, str | None]:
        """The fields of link/messages.py FoundServer."""
        return self.engine.name, self.engine.title, self.address.url, self.problem


def addresses(environ: Mapping[str, str], further: Iterable[int] = (), local_host: str = "") -> list[Address]:
    """Where to look. further: ports that the user names. local_host: see config.local_host. Of what the engines' own
    variables name, only what is on this computer: a server elsewhere is added by hand."""
    ports = dict.fromkeys(further)
    near: dict[Address, None] = {}
    for engine in ENGINES:
        for host, port in engine.listens(environ):
            if host in _HERE:
                ports.setdefault(port)
            elif is_loopback(host):
                near[Address(host, port)] = None
        ports |= dict.fromkeys(engine.ports)
    hosts = [_HERE[0], *([local_host] if local_host else [])]
    return [*near, *(Address(host, port) for host in hosts for port in ports)]


_HERE = ("127.0.0.1", "localhost")


async def look(where: Iterable[Address], egress: Egress) -> list[Server]:
    """Every server that is at these addresses, all asked at once, in their order. Takes LIST_SECONDS at most, and as a rule
    the tenth of it."""
    pool = Pool(egress)
    try:
        found = await asyncio.gather(*(_server_at(address, pool) for address in where))
    finally:
        pool.close()
        await asyncio.sleep(0)  # lets the transports close before the loop may end
    return [server for server in found if server is not None]


async def _server_at(address: Address, pool: Pool) -> Server | None:
    backend = _backend(address)
    if not await _listens(backend, pool):
        return None
    server = await _recognized(address, backend, pool, _owner(address))
    if server is None:
        return None
    further = [path for path in server.engine.facts if path not in SIGNS]
    return server._replace(answers={**server.answers, **await _answers(backend, pool, further)})


async def _recognized(address: Address, backend: Backend, pool: Pool, owner: Owner | None) -> Server | None:
    """Who listens there, by what it answers; None where it is no model server, or one of our kind."""
    answers = await _answers(backend, pool)
    engine = identify(answers)
    if engine is None or engine.own:
        return None
    return Server(address, engine, answers, _problem(owner, engine, answers))


def _problem(owner: Owner | None, engine: Engine, answers: Answers) -> str | None:
    if is_trusted(owner):
        return engine.doubt(answers)
    assert owner is not None
    return f"it belongs to another user of this computer (uid {owner.uid}), who could read what is sent to it"


def _owner(address: Address) -> Owner | None:
    return owner_of(address.port) if address.host == "127.0.0.1" else None


def _backend(address: Address) -> Backend:
    return Backend(
        BackendSpec(
            key=f"local/{address.port}",
            type=BackendType.LOCAL.value,
            name=str(address.port),
            base_url=address.url,
        )
    )


async def _listens(backend: Backend, pool: Pool) -> bool:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            conn = await pool.open(backend, True)
    except (PointsmanError, TimeoutError):
        return False
    conn.close()
    return True


async def _answers(backend: Backend, pool: Pool, paths: Sequence[str] = SIGNS) -> Answers:
    """What it says to each of these, all asked at once. What a server that answers has not answered so, it is asked by
    itself: some do one thing after the other."""
    answers: dict[str, Reply] = {}
    found = await asyncio.gather(*(_reply(backend, pool, path) for path in paths))
    answers |= {path: reply for path, reply in zip(paths, found, strict=True) if reply is not None}
    for path in paths if answers else ():
        if path not in answers and (reply := await _reply(backend, pool, path)) is not None:
            answers[path] = reply
    return answers


async def _reply(backend: Backend, pool: Pool, path: str) -> Reply | None:
    seconds = LIST_SECONDS if path == LIST else LOOK_SECONDS
    try:
        return reply_of(
            await fetch(pool, backend, path.encode(), seconds, local_only=True, agent=ROUND_AGENT)
        )
    except PointsmanError:
        return None


@dataclass(slots=True)
class _Seen:
    """What is known of one address. engine None: there is no model server, as far as it was asked. due: when it is asked
    again even if nothing has changed. tries: how often in a row it was none."""

    owner: Owner | None
    server: Server | None
    due: float
    tries: int = 0


@dataclass(slots=True)
class Discovery:
    """Looks again and again. told: gets every server that is there, at first and when they are other ones than before."""

    where: tuple[Address, ...]
    egress: Egress
    told: Callable[[list[Server]], None]
    _seen: dict[Address, _Seen] = field(default_factory=dict)
    _last: list[tuple[Address, str, str | None]] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while self.where:
            try:
                await self.round()
            except Exception:  # nobody's answer may end it
                log.exception("a look for model servers failed")
            await asyncio.sleep(ROUND_SECONDS * (0.9 + 0.2 * random.random()))  # noqa: S311 -- spreads, guards nothing

    async def round(self) -> None:
        """One look at every address; asks only where something is new."""
        pool = Pool(self.egress)
        try:
            await asyncio.gather(*(self._at(address, pool) for address in self.where))
        finally:
            pool.close()
        servers = [
            seen.server
            for address in self.where
            if (seen := self._seen.get(address)) and seen.server is not None
        ]
        now = [(one.address, one.engine.name, one.problem) for one in servers]
        if now != self._last:
            self._last = now
            self.told(servers)

    async def _at(self, address: Address, pool: Pool) -> None:
        backend = _backend(address)
        if not await _listens(backend, pool):
            self._seen.pop(address, None)
            return
        seen, owner, now = self._seen.get(address), _owner(address), time.monotonic()
        if seen is not None and seen.owner == owner and now < seen.due:
            return
        server = await _recognized(address, backend, pool, owner)
        if server is None:
            tries = seen.tries + 1 if seen is not None and seen.owner == owner else 1
            self._seen[address] = _Seen(owner, None, now + _PATIENCE[min(tries, len(_PATIENCE) - 1)], tries)
            return
        known = owner is not None and server.engine is not ENGINES[-1]
        settled = known and server.engine.state(server.answers) is EngineState.READY
        self._seen[address] = _Seen(owner, server, math.inf if settled else now + _SURE_SECONDS)
