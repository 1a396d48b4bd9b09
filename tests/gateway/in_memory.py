"""One data plane with one client and one upstream connection, their transports in memory, so that a test says exactly which
bytes come when. The real server, handler, pool and connections; no socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pointsman.config import Limits
from pointsman.gateway.client.access import HostGuard
from pointsman.gateway.client.server import ClientConnection
from pointsman.gateway.data_plane import DataPlane
from pointsman.gateway.holders import Holders
from pointsman.gateway.lane.lane import Lane
from pointsman.gateway.request.handle import Handler
from pointsman.ledger.records import UsageRecord
from pointsman.link.messages import Snapshot
from pointsman.routing.specs import BackendSpec, MappingSpec, TargetSpec
from pointsman.secret import Secret
from pointsman.translation.response_memory import ResponseMemory
from pointsman.upstream.connection import UpstreamConnection
from pointsman.upstream.egress import Egress
from pointsman.upstream.pool import Pool
from tests.nobody import asks_nobody

from .plane import Got, got

KEY = "sk-0123456789abcdef0123456789"


_UNKNOWN = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written; open until it is closed or aborted."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.written: list[bytes] = []
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        if not self.closed:
            self.written.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return not self.paused

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 9001)

    def close(self) -> None:
        self.lose()

    def abort(self) -> None:
        self.lose()

    def lose(self) -> None:
        """The connection is gone, whoever ended it."""
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)  # type: ignore[attr-defined]

    @property
    def text(self) -> bytes:
        return b"".join(self.written)


class _Egress(Egress):
    """Each connection is a transport in memory."""

    def __init__(self) -> None:
        super().__init__(1.0)
        self.opened: list[Transport] = []

    async def open(
        self, backend: Any, closed: Callable[[UpstreamConnection], None], *, local_only: bool = False
    ) -> UpstreamConnection:
        conn = UpstreamConnection(closed)
        conn.peer_local = True
        transport = Transport(conn)
        conn.connection_made(transport)
        self.opened.append(transport)
        return conn


@dataclass(frozen=True)
class Played:
    """What came of one request. upstream: what backends were sent, the
    lines of its head sorted. closed: the client's connection was ended by us. remembered: of each id that the client was
    told, what may be referred to and who made it."""

    client: Got
    upstream: tuple[tuple[list[bytes], bytes], ...]
    closed: bool
    records: tuple[tuple[Any, ...], ...]
    lane: bool
    remembered: tuple[bytes, ...]


class World:
    """lane: plain requests may take theirs. kind: of the backend. Every request is for `m`; close() at the end."""

    def __init__(self, dialect: str, *, lane: bool, local: bool = False, model: str | None = None) -> None:
        self.lane = lane
        self.egress = _Egress()
        self.plane = DataPlane(
            worker=0,
            limits=Limits(),
            guard=HostGuard("127.0.0.1", (), ()),
            pool=Pool(self.egress),
            practice_path="practice.sock",
            control_path="control.sock",
        )
        asks_nobody(self.plane)
        key = "local/box" if local else "openai/box"
        spec = BackendSpec(
            key=key, type="local" if local else "openai", name="box", base_url="http://127.0.0.1:9001", dialects=(dialect,),
            auth="bearer", api_key=Secret(KEY), allow_http=True,
        )  # fmt: skip
        rule = MappingSpec(1, "m", 0, (TargetSpec(key, model),))
        self.plane.apply(Snapshot(1, "test", (rule,), (spec,)))
        self.records: list[UsageRecord] = []
        self.lanes = self.asked = 0
        self._handler = Handler(self.plane, self.records.append)

    def client(self) -> Transport:
        """A new connection of a client."""

        def start(client: ClientConnection, head: Any, body: bytes) -> Any:
            begun = self._handler.start(client, head, body)
            self.lanes += isinstance(begun, Lane)
            return begun

        protocol = ClientConnection(Limits(), start, self._handler.refuse, lambda _: None)
        transport = Transport(protocol)
        protocol.connection_made(transport)
        return transport

    async def ask(self, client: Transport, path: str, body: bytes) -> None:
        """Send a request. Where the lane is not to be taken, it has a header that says nothing."""
        self.asked += 1
        more = b"traceparent: 00-%d\r\n" % self.asked
        more += b"" if self.lane else b"sec-fetch-site: none\r\n"
        head = b"POST %b HTTP/1.1\r\nhost: localhost\r\n%bcontent-length: %d\r\n\r\n"
        client.protocol.data_received(head % (path.encode(), more, len(body)) + body)  # type: ignore[attr-defined]
        for _ in range(50):
            await turns(4)
            for one in self.egress.opened:
                if one.text.startswith(b"GET "):  # what it has, and how it is: nobody knows
                    one.written.clear()
                    one.protocol.data_received(_UNKNOWN)  # type: ignore[attr-defined]
            if any(b"POST " in one.text for one in self.egress.opened):
                return

    @property
    def _asked(self) -> Transport:
        return next(one for one in self.egress.opened if b"POST " in one.text)

    async def play(
        self,
        path: str,
        body: bytes,
        warm: bytes,
        pieces: Sequence[bytes],
        *,
        cut: bool = False,
        leave: bool = False,
        tick: Callable[[float], float] | None = None,
    ) -> Played:
        """A request that is answered by `warm`, then one whose answer comes in `pieces`. cut: then the upstream's connection
        is gone. leave: then the client is. tick: the time that the ticker is told afterwards, of the time it is."""
        client = self.client()
        await self.ask(client, path, body)
        upstream = self._asked
        upstream.protocol.data_received(warm)  # type: ignore[attr-defined]
        await turns()
        assert client.text.startswith(b"HTTP/1.1 200"), client.text
        client.written.clear()
        upstream.written.clear()
        self.records.clear()
        self.plane.responses, self.plane.holders = ResponseMemory(1 << 20, 60.0), Holders()
        lanes = self.lanes
        await self.ask(client, path, body)
        upstream = self._asked
        for piece in pieces:
            if not upstream.closed:
                upstream.protocol.data_received(piece)  # type: ignore[attr-defined]
                await turns(1)
        if cut:
            upstream.lose()
        if leave:
            client.lose()
        await turns()
        if tick is not None:
            for one in list(self.plane.ticking):
                one.tick(tick(asyncio.get_running_loop().time()))
            await turns()
        sent = tuple(_sorted(without_ids(one.text)) for one in self.egress.opened if b"POST " in one.text)
        records = tuple(_facts(record) for record in self.records)
        told = got(without_ids(client.text))
        return Played(told, sent, client.closed, records, self.lanes > lanes, self._remembered(client.text))

    def _remembered(self, told: bytes) -> tuple[bytes, ...]:
        names = sorted({name.decode(errors="replace") for name in re.findall(rb'"id": ?"([^"]+)"', told)})
        responses, holders = self.plane.responses, self.plane.holders
        found = ((name, responses.find("None", name), holders.find("None", name)) for name in names)
        return tuple(without_ids(repr(one).encode()) for one in found if any(one[1:]))


async def turns(count: int = 8) -> None:
    """Of the event loop: what waits goes on."""
    for _ in range(count):
        await asyncio.sleep(0)


_IDS = re.compile(
    rb'(?<=[_-])[0-9a-f]{18,24}|(?<="created":)[0-9]+|(?<="created_at":)[0-9]+|(?<=_pm)[\w-]{6}|(?<=pm1\.)[\w.+/=-]+'
)
"""Of requests, of what is named after them, and what is sealed anew each time; and the second it is."""


def without_ids(data: bytes) -> bytes:
    """Less what is different each time."""
    return _IDS.sub(lambda found: b"0" * len(found[0]), data)


def _sorted(request: bytes) -> tuple[list[bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    return sorted(head.split(b"\r\n")), body


def _facts(record: UsageRecord) -> tuple[Any, ...]:
    timed = {"id", "at", "request", "first_output_ms", "total_ms", "overhead_ms"}
    return tuple(getattr(record, name) for name in UsageRecord.__struct_fields__ if name not in timed)
