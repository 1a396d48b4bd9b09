"""The data plane's own code on transports that are none, for counting its instructions: no socket, no kernel.

Real: client connections, the request's whole way with its rules, board, places, budget, records and counters,
upstream connections and pool. Not there: the event loop's reads and writes, the copy out of its buffer, egress,
the ticker, the link to the control plane. `python -m tests.bench.in_process MARKS CASE...` runs cases between
the marks of callgrind_marks.c; instructions.py starts it under valgrind.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hmac
import os
import socket
import sys
from collections.abc import Callable
from itertools import cycle
from typing import Any, cast

import uvloop

from pointsman.config import Limits
from pointsman.gateway.client.access import HostGuard
from pointsman.gateway.client.server import ClientConnection
from pointsman.gateway.data_plane import DataPlane
from pointsman.gateway.request.handle import Handler
from pointsman.kinds import Limit, Per
from pointsman.ledger.accounts import LimitSpec
from pointsman.ledger.price_spec import Period, Prices, PriceSpec, Tariff
from pointsman.ledger.records import UsageRecord
from pointsman.link.messages import BackendSpec, ClientKeySpec, Snapshot
from pointsman.link.spending import Asked, Cashier
from pointsman.routing.specs import MappingSpec, TargetSpec
from pointsman.upstream.connection import UpstreamConnection
from pointsman.upstream.pool import Pool
from tests.nobody import asks_nobody

from . import headers
from .cases import DIALECT, Case, all_cases

PIECE = 64 * 1024  # what a read brings at most
WARM = 20  # requests of each case that are not counted: what is remembered is remembered then


class Wire:
    """As much of a transport as the connections ask for: what is written goes to a function."""

    def __init__(self, written: Callable[[bytes], object], end: socket.socket) -> None:
        self._written, self._end = written, end

    def write(self, data: bytes) -> None:
        self._written(data)

    def writelines(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._written(piece)

    def get_extra_info(self, name: str) -> object:
        return self._end if name == "socket" else ("127.0.0.1", 4321)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    is_reading = can_write_eof = lambda self: True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class NoEgress:
    """Opens connections that end in a Wire; `last` is the newest, `sent` what was written upstream."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.last: UpstreamConnection
        self.sent: list[bytes] = []

    async def open(self, backend: object, closed: Any, *, local_only: bool = False) -> UpstreamConnection:
        self.last = UpstreamConnection(closed)
        self.last.peer_local = True
        self.last.connection_made(cast(asyncio.Transport, Wire(self.sent.append, self._end)))
        return self.last


def _rules(case: Case) -> Snapshot:
    pepper = b"bench"
    digest = hmac.digest(pepper, headers.CLIENT_KEY.encode(), "sha256")
    backend = BackendSpec(
        "local/box", "local", "box", "http://127.0.0.1:9001", dialects=(DIALECT[case.backend],)
    )
    return Snapshot(
        1,
        "e",
        mappings=(MappingSpec(1, "bench*", 0, (TargetSpec("local/box"),)),),
        backends=(backend,),
        client_keys=(ClientKeySpec(1, "bench", digest, models=("bench*",) if case.key == "bounds" else ()),)
        if case.keyed
        else (),
        keys_required=case.keyed,
        pepper=pepper,
        limits=tuple(LimitSpec("key/1", kind, 10**12, Per.DAY) for kind in _LIMITS.get(case.key, ())),
        prices={"local/box": (_PRICE,)} if case.key == "priced" else {},
    )


_LIMITS = {
    "rates": (Limit.REQUESTS, Limit.TOKEN_RATE),
    "budget": (Limit.TOKENS,),
    "priced": (Limit.MONEY,),
}
_PRICE = PriceSpec("bench", ("^bench",), (Period(Tariff(Prices(input=1_000_000, output=4_000_000))),))


async def _nothing(of: Asked, marked: Callable[[], None]) -> tuple[int, ...]:
    marked()
    return (0,) * len(of)


class Rig:
    """One client connection and one data plane for one case."""

    def __init__(self, case: Case, end: socket.socket) -> None:
        self._case, self._following, self._answers = case, case.requests(), cycle(case.answers)
        self._egress = NoEgress(end)
        self._records: list[UsageRecord] = []
        self.got: list[bytes] = []  # by the client, of the last request
        limits = Limits()
        plane = DataPlane(
            worker=0,
            limits=limits,
            guard=HostGuard("127.0.0.1", (), ()),
            pool=Pool(cast(Any, self._egress)),
            practice_path="practice.sock",
            control_path="control.sock",
        )
        asks_nobody(plane)
        plane.cashier = Cashier(_nothing, lambda _: None)
        plane.apply(_rules(case))
        handler = Handler(plane, self._records.append)
        self._client = ClientConnection(limits, handler.start, handler.refuse, lambda client: None)
        self._client.connection_made(cast(asyncio.Transport, Wire(self._take, end)))

    def _take(self, data: bytes) -> None:
        self.got.append(data)

    def next(self) -> list[bytes]:
        """The next request, in the pieces that reads bring."""
        asked = self._following()
        return [asked[at : at + PIECE] for at in range(0, len(asked), PIECE)]

    async def request(self, pieces: list[bytes]) -> None:
        """One request, from the client's bytes to the record. Raises TimeoutError where nothing comes of it. Of what runs
        here little is the gateway's own, so it is as little as can be."""
        self.got.clear()
        self._records.clear()
        sent = self._egress.sent
        sent.clear()
        for piece in pieces:
            self._client.data_received(piece)
        if not sent:
            await _until(lambda: bool(sent))
        if len(pieces) > 1 and sum(map(len, sent)) < len(pieces[0]):  # worked on elsewhere, and sent in parts
            await _quiet(sent)
        for piece in next(self._answers):
            self._egress.last.data_received(piece)
        if not self._records:
            await _until(lambda: bool(self._records))

    def check(self) -> None:
        """Raises ValueError unless the last answer came whole and was recorded as what it is."""
        text = b"".join(self.got)
        record = self._records[-1]
        if not text.startswith(b"HTTP/1.1 200") or record.input_tokens is None:
            raise ValueError(f"{self._case.name}: {record}, {text[:500]!r}")


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if done():
            return
        await asyncio.sleep(0)
    raise TimeoutError


async def _quiet(sent: list[bytes]) -> None:
    seen = -1
    while seen != len(sent):
        seen = len(sent)
        await asyncio.sleep(0)


async def run(case: Case, begin: Callable[[], object], end: Callable[[], object]) -> None:
    """`count` requests between `begin` and `end`, after some that are not counted."""
    near, far = socket.socketpair()
    with near, far:
        rig = Rig(case, near)
        for number in range(2 + min(WARM, 2 + case.count)):
            await rig.request(rig.next())
            for _ in range(
                1 if number else 200
            ):  # a task of the request ends; of the first also the server's facts
                await asyncio.sleep(0)
        rig.check()
        asked = [rig.next() for _ in range(case.count)]
        gc.collect()
        gc.freeze()
        gc.disable()
        begin()
        for pieces in asked:
            await rig.request(pieces)
        end()
        gc.enable()
        rig.check()


def main(arguments: list[str]) -> None:
    """MARKS CASE...: the library of callgrind_marks.c, then names of cases."""
    marks, *names = arguments
    library = ctypes.CDLL(os.path.abspath(marks))
    cases = all_cases()
    for name in names:
        uvloop.run(run(cases[name], library.marks_begin, lambda: library.marks_end(name.encode())))  # noqa: B023


if __name__ == "__main__":
    main(sys.argv[1:])
