"""Runs one cell of the table against real sockets, and judges what the client got. Never by our own parsers of answers:
the shapes are those of tests/e2e/wires.py.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.e2e.wires import CHAT, MESSAGES, RESPONSES, WIRES, Wire
from tests.gateway.plane import Got, Plane, plane, rule
from tests.upstream.certificates import server_context

from .cases import CASES, Case, whole_or_stream

LIMITS: dict[str, Any] = {
    "connect_seconds": 0.3,
    "first_output_cloud_seconds": 0.4,
    "first_output_local_seconds": 0.4,
    "between_chunks_seconds": 0.4,
}
ACROSS: dict[str, Wire] = {CHAT.name: MESSAGES, RESPONSES.name: CHAT, MESSAGES.name: CHAT}
HANG_SECONDS = 4.0


@dataclass(frozen=True)
class Cell:
    """case: an index into CASES. last: nobody stands after the faulty target. lane: a well answer has come before, so that the
    request goes by its own lane, on a connection that is kept."""

    case: int
    client: Wire
    stream: bool
    translated: bool
    last: bool
    lane: bool = False

    @property
    def fault(self) -> Case:
        return CASES[self.case]

    @property
    def expect(self) -> str:
        return self.fault.translated or self.fault.expect if self.translated else self.fault.expect

    def __str__(self) -> str:
        words = (
            self.client.name.partition("_")[2],
            "stream" if self.stream else "whole",
            "translated" if self.translated else "same",
            "lane" if self.lane else "last" if self.last else "first",
        )
        return f"{self.fault.name} [{' '.join(words)}]"


def cells() -> Iterator[Cell]:
    """All there are."""
    for number, case in enumerate(CASES):
        for client in WIRES:
            for stream in (False, True):
                if case.stream if stream else case.whole:
                    for translated in (False, True):
                        speaks = ACROSS[client.name] if translated else client
                        if not case.wires or speaks.name in case.wires:
                            for last in (False, True):
                                yield Cell(number, client, stream, translated, last)
                            if not translated and client.name in LANED and _plain(case):
                                yield Cell(number, client, stream, translated, False, lane=True)


LANED = (CHAT.name, MESSAGES.name)
"""Protocols whose plain requests have a lane (gateway/lane/facts.py)."""


def _plain(case: Case) -> bool:
    return case.make is not None and case.special in ("", "local")


@dataclass(frozen=True)
class Outcome:
    """word: `served`, `error 502`, `in-band`, `hang`, `WRONG ...`. seconds: until the client's last byte."""

    word: str
    seconds: float
    attempts: int
    reason: str | None
    problem: str | None


async def _laned(found: Plane, asked: tuple[str, Any]) -> bool:
    """Did a request take the lane once nothing that is learned of the server can turn the next one from it: its list is
    read, it has been asked what it can, and a connection is idle?"""
    plane, laned = found.plane, found.lanes
    known = all(
        plane.facts.asked(one) for one in plane.backends.values() if one.local and one.spec.name == "faulty"
    )
    assert (await found.ask(*asked)).status == 200
    return known and found.lanes > laned


async def run(cell: Cell) -> Outcome:
    """One request."""
    speaks = ACROSS[cell.client.name] if cell.translated else cell.client
    well = {"answers": True} if cell.lane else {}
    with ExitStack() as stack:
        faulty = stack.enter_context(_backend(cell.fault, speaks, cell.stream, well))
        healthy = stack.enter_context(ScriptedUpstream())
        healthy.always(lambda r: _listed(r) or whole_or_stream(speaks, cell.stream, "from the next"))
        async with plane(**LIMITS) as found:
            _route(found, cell, faulty, healthy.url, speaks)
            asked = (cell.client.path, cell.client.ask("m", stream=cell.stream))
            while cell.lane and not await _laned(found, asked):
                await asyncio.sleep(0.002)
            well.clear()
            laned = found.lanes
            began = time.monotonic()
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    got = await found.ask(*asked)
            except TimeoutError:
                return Outcome("hang", HANG_SECONDS, 0, None, "it hangs")
            seconds = time.monotonic() - began
            assert found.lanes - laned == cell.lane
        return _judged(cell, got, seconds)


def _route(found: Plane, cell: Cell, faulty: str, healthy: str, speaks: Wire) -> None:
    def spec(name: str, url: str) -> BackendSpec:
        return BackendSpec(
            key=f"openai/{name}", type="openai", name=name, base_url=url, dialects=(speaks.name,), auth="bearer",
            api_key=Secret("sk-1"), allow_http=True,
        )  # fmt: skip

    backends = [spec("faulty", faulty), spec("next", healthy), spec("gone", "http://127.0.0.1:9")]
    key = "openai/faulty"
    if cell.fault.special == "local":
        key = "local/faulty"
        backends[0] = BackendSpec(
            key=key, type="local", name="faulty", base_url=faulty, dialects=(speaks.name,), auth="none"
        )
    order = ("openai/gone", key) if cell.last else (key, "openai/next")
    on = ("context",) if cell.fault.special == "fallback_on context" else ()
    found.rules(rule("*", *order, fallback_on=on), backends=backends)


@contextmanager
def _backend(case: Case, wire: Wire, stream: bool, well: dict[str, bool]) -> Iterator[str]:
    """Its URL while it lasts. well: as long as there is anything in it, there is no fault."""
    if case.make is not None:
        with ScriptedUpstream() as server:
            made = case.make
            good = whole_or_stream(wire, stream, "well")
            server.always(lambda received: _listed(received) or (good if well else made(wire, stream)))
            yield server.url
    elif case.special == "closed port":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{probe.getsockname()[1]}"
    elif case.special == "no such name":
        yield "https://no-such-host.invalid"
    elif case.special == "bad certificate":
        with tempfile.TemporaryDirectory() as folder:
            context: ssl.SSLContext = server_context(Path(folder))
            with ScriptedUpstream(ssl_context=context) as server:
                yield server.url.replace("127.0.0.1", "localhost")
    else:
        with swallowing() as port:
            yield f"http://127.0.0.1:{port}"


def _listed(received: Received) -> Reply | None:
    return Reply(200, body={"object": "list", "data": []}) if received.method == "GET" else None


@contextmanager
def swallowing() -> Iterator[int]:
    """A port whose queue of connections is full, so that a further one hangs."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def _judged(cell: Cell, got: Got, seconds: float) -> Outcome:
    word = _word(cell, got)
    attempts = int(got.headers.get("x-pointsman-attempts", 0))
    reason = got.headers.get("x-pointsman-fallback")
    return Outcome(word, seconds, attempts, reason, _problem(cell, word, attempts, reason))


def _word(cell: Cell, got: Got) -> str:
    wire = cell.client
    if not got.complete:
        return f"WRONG: status {got.status}, framing broken"
    if got.status >= 400:
        try:
            wire.check_error(got.json())
        except (ValueError, KeyError, AssertionError, TypeError):
            return f"WRONG: status {got.status} that is no error of the protocol: {got.body[:80]!r}"
        return f"error {got.status}"
    if "content-encoding" in got.headers:
        return "WRONG: passed on compressed"
    if not cell.stream:
        try:
            return "served" if wire.text(got.json()) else "WRONG: an empty answer"
        except (ValueError, KeyError, TypeError, IndexError):
            return f"WRONG: 200 that is no answer: {got.body[:80]!r}"
    clean = b"\n\n".join(e for e in got.body.split(b"\n\n") if b"{nonsense" not in e)
    broken, ended = wire.broken(clean), wire.ended(clean)
    if broken and ended:
        return "WRONG: an error and a clean end"
    if broken:
        return "in-band"
    return "served" if ended else "WRONG: a stream without its end and without an error"


def _problem(cell: Cell, word: str, attempts: int, reason: str | None) -> str | None:
    """Why this is not what the table says, None when it is."""
    kind, _, detail = cell.expect.partition(" ")
    before = 1 if cell.last else 0
    if word.startswith("WRONG") or word == "hang":
        return word
    wanted: dict[str, Any] = {}
    if kind == "next" and not cell.last:
        wanted = {"word": "served", "attempts": 2}
        if reason not in detail.split("|"):
            return f"the reason is {reason}, not {detail}"
    elif kind == "next":
        if not word.startswith("error"):
            return f"{word} instead of an error"
        wanted = {"attempts": 2}
    elif kind == "told":
        wanted = {"word": f"error {_as_told(cell, int(detail))}", "attempts": 1 + before}
    else:
        wanted = {
            "word": {"serves": "served", "in-band": "in-band"}[kind] + (" " + detail if detail else ""),
            "attempts": 1 + before,
        }
    seen = {"word": word, "attempts": attempts}
    if (
        cell.lane and attempts == wanted["attempts"] + 1
    ):  # a kept connection that is dead is none: it is sent again
        wanted["attempts"] = attempts
    wrong = {name: value for name, value in wanted.items() if seen[name] != value}
    return f"{wrong} wanted, {seen} seen" if wrong else None


def _as_told(cell: Cell, status: int) -> int:
    """Clients know a translated 422 as a 400
    (docs/protocols/errors.md#kinds-statuses-and-words)."""
    return 400 if cell.translated and status == 422 else status


def slice_of() -> list[Cell]:
    """For every day: each fault first and last, the protocols, ways and directions in turns."""
    found: list[Cell] = []
    by_case: dict[int, list[Cell]] = {}
    for cell in cells():
        by_case.setdefault(cell.case, []).append(cell)
    for number, these in by_case.items():
        firsts = [cell for cell in these if not cell.last and not cell.lane]
        lanes = [cell for cell in these if cell.lane]
        lasts = [cell for cell in these if cell.last]
        found += [
            firsts[(number * 5) % len(firsts)],
            firsts[(number * 7 + 3) % len(firsts)],
            lasts[(number * 11 + 1) % len(lasts)],
        ]
        found += lanes[number % 2 : number % 2 + 1]
    return list(dict.fromkeys(found))


def cores() -> int:
    return os.cpu_count() or 1
