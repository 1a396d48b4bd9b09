"""A data plane in the test's own event loop: the real server, handler and upstream, with a snapshot given by the test
instead of a control plane. Real sockets on both sides; uvloop, as in a real process."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pointsman.config import Limits
from pointsman.gateway.client.acceptor import acceptor
from pointsman.gateway.client.access import HostGuard
from pointsman.gateway.client.server import Cancellable, ClientConnection
from pointsman.gateway.data_plane import DataPlane
from pointsman.gateway.lane.lane import Lane
from pointsman.gateway.request.handle import Handler
from pointsman.ledger.records import UsageRecord
from pointsman.link.engine_desk import EngineStanding
from pointsman.link.messages import Snapshot
from pointsman.routing.specs import BackendSpec, MappingSpec, TargetSpec
from pointsman.upstream.egress import Egress
from pointsman.upstream.pool import Pool
from pointsman.wire.http1 import RequestHead

TICK = 0.02
HANG_SECONDS = 60.0
"""A guard: what takes that long does not come. No test waits so long for what it expects."""


def cold(name: str) -> EngineStanding:
    """How an engine stands where there is no warden."""
    return EngineStanding(name, "cold")


@dataclass
class Plane:
    """port: where it listens. records: usage, as the link would get it. lanes: requests that had one of their own."""

    plane: DataPlane
    port: int = 0
    records: list[UsageRecord] = field(default_factory=list)
    connections: set[ClientConnection] = field(default_factory=set)
    version: int = 0
    lanes: int = 0

    def rules(self, *rules: MappingSpec, backends: list[BackendSpec], **more: Any) -> None:
        """Serve by these from now on."""
        self.version += 1
        self.plane.apply(Snapshot(self.version, "test", tuple(rules), tuple(backends), **more))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=64 * 1024 * 1024)

    async def ask(self, path: str, body: bytes | dict[str, Any], *headers: str, method: str = "POST") -> Got:
        """One request on a connection of its own; everything that came back until the gateway closed it."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        reader, writer = await self.connect()
        lines = [
            f"{method} {path} HTTP/1.1",
            "host: localhost",
            "connection: close",
            f"content-length: {len(raw)}",
            *headers,
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
        pieces: list[bytes] = []
        try:
            with suppress(ConnectionError):
                while piece := await asyncio.wait_for(reader.read(1024 * 1024), HANG_SECONDS):
                    pieces.append(piece)
        finally:
            writer.close()
        return got(b"".join(pieces))

    async def recorded(self, count: int = 1) -> list[UsageRecord]:
        """One record a request; those of its other attempts are in `records` only."""
        end = time.monotonic() + HANG_SECONDS
        while len(self.own) < count and time.monotonic() < end:
            await asyncio.sleep(0.002)
        assert len(self.own) == count
        return self.own

    @property
    def own(self) -> list[UsageRecord]:
        return [record for record in self.records if record.id == record.request]


@dataclass(frozen=True)
class Got:
    """An answer as bytes. complete: did its own framing say that it is whole?"""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    def json(self) -> Any:
        return json.loads(self.body)


def got(data: bytes) -> Got:
    """Reads one answer; by hand, so that an answer cut anywhere can be read."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    if not separator:
        return Got(0, {}, b"", False)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(first.split(" ")[1])
    if headers.get("transfer-encoding") != "chunked":
        size = int(headers.get("content-length", -1))
        return Got(status, headers, rest, len(rest) == size)
    body: list[bytes] = []
    at = 0
    while True:
        end = rest.find(b"\r\n", at)
        size_line = rest[at:end] if end >= 0 else b""
        size = int(size_line, 16) if size_line else -1
        at = end + 2
        if size == 0:
            return Got(status, headers, b"".join(body), rest[at:] == b"\r\n")
        if size < 0 or len(rest) < at + size + 2:
            left = rest[at : at + size] if size > 0 else b""
            return Got(status, headers, b"".join([*body, left]), False)
        body.append(rest[at : at + size])
        at += size + 2


@asynccontextmanager
async def plane(guard: HostGuard | None = None, *, tick: float = TICK, **limits: Any) -> AsyncIterator[Plane]:
    """tick: seconds between looks at all that is open; shorter than a real process's, so that tests need not wait."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        settings = Limits(**limits)
        plane = DataPlane(
            worker=0,
            limits=settings,
            guard=guard or HostGuard("127.0.0.1", (), ()),
            pool=Pool(Egress(settings.connect_seconds)),
            practice_path=os.path.join(folder, "practice.sock"),
            control_path=os.path.join(folder, "control.sock"),
        )
        found = Plane(plane)
        fresh: list[UsageRecord] = []
        handler = Handler(plane, lambda record: (found.records.append(record), fresh.append(record)))
        plane.flush = lambda: (plane.tally.take(fresh), fresh.clear())

        def start(client: ClientConnection, head: RequestHead, body: bytes) -> Cancellable:
            begun = handler.start(client, head, body)
            found.lanes += isinstance(begun, Lane)
            return begun

        accept = acceptor(settings, start, handler.refuse, found.connections)
        server = await loop.create_server(accept, "127.0.0.1", 0, backlog=1024)  # as a real process has
        found.port = server.sockets[0].getsockname()[1]
        ticker = loop.create_task(tick_for_ever(found, tick))
        try:
            yield found
        finally:
            ticker.cancel()
            server.close()
            for client in list(found.connections):
                client.abort()
            plane.lists.close()
            plane.provider_lists.close()
            plane.facts.close()
            plane.probes.close()
            plane.joining.close()
            plane.pool.close()
            await asyncio.sleep(0.01)
            assert plane.jobs == 0
            assert not plane.ticking


async def tick_for_ever(found: Plane, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        now = time.monotonic()
        for client in list(found.connections):
            client.tick(now)
        for exchange in list(found.plane.ticking):
            exchange.tick(now)
        found.plane.pool.tick(now)


def rule(pattern: str, *targets: str, id: int = 1, **more: Any) -> MappingSpec:
    """`local/box=qwen3`: a target and, after the equals sign, its model."""
    specs = tuple(TargetSpec(key, model or None) for key, _, model in (t.partition("=") for t in targets))
    return MappingSpec(id=id, pattern=pattern, priority=0, targets=specs, **more)
