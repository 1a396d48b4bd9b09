"""The promises (docs/reliability-promises.md) that one request alone cannot show, measured in this
process: R2, R3, R5, R6, R7.

Those that need whole processes are in outages.py.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pointsman.gateway.__main__ import TICK_SECONDS
from pointsman.practice import STALL, Part, Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.e2e.replies import JSON, SSE
from tests.e2e.wires import CHAT
from tests.gateway.plane import Got, Plane, plane, rule

AT_A_TIME = 25
"""Connections that are opened before they are waited for."""
HANG_SECONDS = 120.0
"""A guard, of a machine as crowded as it may be: what takes that long does not come."""


@dataclass(frozen=True)
class Shown:
    """A promise and what was seen. ok: None = it could not be tried here."""

    name: str
    promise: str
    seen: str
    ok: bool | None


def spec(name: str, url: str, **more: Any) -> BackendSpec:
    return BackendSpec(
        key=f"openai/{name}", type="openai", name=name, base_url=url, dialects=("openai_chat",), auth="bearer",
        api_key=Secret("sk-1"), **more,
    )  # fmt: skip


def whole(text: str = "hello") -> Reply:
    return Reply(200, JSON, body=CHAT.answer(text))


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def rescue(rounds: int = 200) -> Shown:
    """R2: what a rescue adds to the first byte from the next target, over the same request without a fault."""
    faults: dict[str, Any] = {
        "refused": None,
        "503": Reply(503, JSON, body=CHAT.error_body("no")),
        "429": Reply(429, {**JSON, "retry-after": "0"}, body=CHAT.error_body("no")),
        "error event": Reply(200, SSE, parts=[CHAT.error_event("no")], framing="chunked"),
    }
    stream = Reply(200, SSE, parts=CHAT.frames("hello"), framing="chunked")
    added: list[float] = []
    with ScriptedUpstream() as first, ScriptedUpstream() as second:
        second.always(stream)
        for fault in faults.values():
            first.always(fault or stream)
            async with plane() as found:
                url = "http://127.0.0.1:9" if fault is None else first.url
                backends = [spec("a", url), spec("b", second.url)]
                found.rules(
                    rule("plain", "openai/b"), rule("*", "openai/a", "openai/b", id=2), backends=backends
                )
                plain = [await _timed(found, "plain") for _ in range(rounds // 4)]
                base = statistics.median(plain)
                for _ in range(rounds // 4):
                    found.plane.board.targets.clear()
                    added.append(await _timed(found, "m") - base)
    p99 = percentile(added, 0.99) * 1000
    return Shown(
        "R2", "a rescue adds at most 50 ms (p99): refused, 503, 429, error frame",
        f"{p99:.1f} ms p99, {statistics.median(added) * 1000:.1f} ms median of {len(added)}", p99 <= 50,
    )  # fmt: skip


async def _timed(found: Plane, model: str) -> float:
    began = time.perf_counter()
    got = await found.ask(CHAT.path, CHAT.ask(model, stream=True))
    assert got.status == 200, got
    return time.perf_counter() - began


async def amplification(seconds: float = 30.0) -> Shown:
    """R3: requests at the upstreams per request of the clients, all upstreams failing, after 10 s."""
    asked: list[float] = []
    fails = Reply(500, JSON, body=CHAT.error_body("no"))

    def failing(received: Received) -> Reply:
        asked.append(time.monotonic())
        return fails

    with ScriptedUpstream() as first, ScriptedUpstream() as second:
        first.always(failing)
        second.always(failing)
        async with plane() as found:
            found.rules(
                rule("one", "openai/a"),
                rule("two", "openai/a", "openai/b", id=2),
                backends=[spec("a", first.url), spec("b", second.url)],
            )
            began, offered = time.monotonic(), []
            while time.monotonic() - began < seconds:
                offered.append(time.monotonic())
                await found.ask(CHAT.path, CHAT.ask(("one", "two")[len(offered) % 2]))
                await asyncio.sleep(0.01)
    late = began + 10.0
    ratio = len([at for at in asked if at > late]) / max(1, len([at for at in offered if at > late]))
    return Shown(
        "R3", "at most 1.2 requests upstream per request when everything fails, after 10 s",
        f"{ratio:.3f} over {len(offered)} requests in {seconds:g} s, one target and two in turns", ratio <= 1.2,
    )  # fmt: skip


PHASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "before the head": ("stall", {}),
    "before the first output": (Reply(200, SSE, parts=[*CHAT.start(), STALL], framing="chunked"), {}),
    "in the middle of a stream": (
        Reply(200, SSE, parts=[*CHAT.start(), CHAT.piece("x"), STALL], framing="chunked"),
        {},
    ),
    "whole": ("stall", {"stream": False}),
    "before a repeat": (
        Reply(429, {**JSON, "retry-after": "3"}, body=CHAT.error_body("no")),
        {"stream": False},
    ),
}


async def client_gone(rounds: int = 20) -> Shown:
    """R5: from the client's leaving to the upstream's connection closed and the place free, in every phase."""
    took: list[float] = []
    for reply, body in PHASES.values():
        with ScriptedUpstream() as server:
            server.always(reply)
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[spec("a", server.url)])
                for number in range(rounds):
                    took.append(await _leave(found, server, {"stream": True, **body}, number + 1))
                outcomes = {record.outcome for record in found.own}
                assert outcomes == {"aborted"}, outcomes
    p99 = percentile(took, 0.99) * 1000
    return Shown(
        "R5", "at most 250 ms from the client's leaving until everything is let go",
        f"{p99:.0f} ms p99 of {len(took)} in {len(PHASES)} phases, each an `aborted` row", p99 <= 250,
    )  # fmt: skip


async def _leave(found: Plane, server: ScriptedUpstream, body: dict[str, Any], count: int) -> float:
    _, writer = await found.connect()
    raw = json.dumps(CHAT.ask("m", **body)).encode()
    writer.write(
        b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (CHAT.path.encode(), len(raw))
        + raw
    )
    while len(server.requests) < count:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    left = time.monotonic()
    writer.transport.abort()
    while found.plane.jobs or found.plane.ticking or found.plane.board.backend("openai/a").places.in_use:
        assert time.monotonic() - left < 2.0, "it is never let go"
        await asyncio.sleep(0.001)
    request = server.requests[-1]
    if request.finished_at is None:
        await asyncio.to_thread(server.wait_closed, request, 2.0)
    return time.monotonic() - left


def memory() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def stalled_readers(count: int = 1000) -> Shown:
    """R6: readers that stop reading; what is kept for each, and whether another stream notices."""
    big = CHAT.piece("x" * 8000)
    flood = Reply(200, SSE, parts=[*CHAT.start(), *[big] * 1000], framing="chunked")
    paced = Reply(
        200,
        SSE,
        parts=[p for _ in range(40) for p in (CHAT.piece("y"), Pause(0.01))] + CHAT.end("y"),
        framing="chunked",
    )

    def reply(received: Received) -> Reply:
        return paced if b'"paced"' in received.body else flood

    with ScriptedUpstream() as server:
        server.always(reply)
        async with plane(tick=TICK_SECONDS, max_requests=count + 100, backend_in_flight=count + 100) as found:
            found.rules(rule("*", "openai/a"), backends=[spec("a", server.url)])
            alone = statistics.median([await _paced(found) for _ in range(5)])
            gc.collect()
            socks = []
            asked = len(server.requests)
            while len(socks) < count:
                socks.append(await _stalled(found))
                # this process is the upstream too: more at once would time out while they connect
                if len(socks) % AT_A_TIME == 0 or len(socks) == count:
                    await _until(lambda: len(server.requests) - asked >= len(socks), HANG_SECONDS)
            await _settled(found)
            kept = [_buffered(client) for client in found.connections]
            stalled = sum(size > 0 for size in kept)
            beside = statistics.median([await _paced(found) for _ in range(5)])
            for sock in socks:
                sock.close()
            await _until(lambda: not found.plane.jobs, 10.0)
    most = max(kept) / 1024
    ratio = beside / max(alone, 1e-6)
    return Shown(
        "R6", f"{count} stalled readers: at most 64 KiB kept for each, another stream's events not 2x later",
        f"{stalled} had something kept for them, at most {most:.0f} KiB in this process, events {ratio:.2f}x",
        stalled == count and most <= 64 * 1.1 and ratio < 2.0,
    )  # fmt: skip


async def _settled(found: Plane) -> None:
    """Until nothing moves any more."""
    last: list[int] = []
    for _ in range(60):
        await asyncio.sleep(0.5)
        now = [_buffered(client) for client in found.connections]
        if now == last:
            return
        last = now


def _buffered(client: Any) -> int:
    transport = client._transport
    return transport.get_write_buffer_size() if transport is not None else 0


async def _stalled(found: Plane) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", found.port))
    raw = json.dumps(CHAT.ask("flood", stream=True)).encode()
    await asyncio.get_running_loop().sock_sendall(
        sock,
        b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (CHAT.path.encode(), len(raw))
        + raw,
    )
    return sock


async def _paced(found: Plane) -> float:
    """The 90th percentile of the gaps between a paced stream's pieces."""
    reader, writer = await found.connect()
    raw = json.dumps(CHAT.ask("paced", stream=True)).encode()
    writer.write(
        b"POST %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        % (CHAT.path.encode(), len(raw))
        + raw
    )
    gaps, last = [], time.monotonic()
    while await reader.read(65536):
        now = time.monotonic()
        gaps.append(now - last)
        last = now
    writer.close()
    return percentile(gaps, 0.9)


async def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to that"
        await asyncio.sleep(0.01)


async def many_streams(count: int = 2000) -> Shown:
    """R7: streams that live at the same time in one process; memory of gateway, clients and connections together."""
    everybody = threading.Event()

    def slow(received: Received) -> Reply:
        def parts() -> Iterator[Part]:
            yield from CHAT.start()
            while not everybody.is_set():
                yield CHAT.piece("x")
                yield Pause(2.0)
            yield from CHAT.end("x")

        return Reply(200, SSE, parts=parts(), framing="chunked")

    with ScriptedUpstream() as server:
        server.always(slow)
        async with plane(tick=TICK_SECONDS, max_requests=count + 100, backend_in_flight=count + 100) as found:
            found.rules(rule("*", "openai/a"), backends=[spec("a", server.url)])
            tasks: list[asyncio.Task[Got]] = []
            while len(tasks) < count:
                tasks.append(asyncio.create_task(found.ask(CHAT.path, CHAT.ask("m", stream=True))))
                # clients and upstream are this process too: more at once would time out while they connect
                if len(tasks) % AT_A_TIME == 0 or len(tasks) == count:
                    await _until(lambda: len(server.requests) >= len(tasks), HANG_SECONDS)
            await asyncio.sleep(4.0)  # all of them get more meanwhile
            at_once = min(found.plane.jobs, sum(not task.done() for task in tasks))
            everybody.set()
            good = 0
            for task in tasks:
                try:
                    got = await task
                    good += got.complete and CHAT.ended(got.body)
                except (OSError, TimeoutError):
                    pass
    return Shown(
        "R7", f"{count} live streams in one process",
        f"{at_once} at once, {good} of {count} ended clean (each stream's memory: `make bench`, part `memory`)",
        at_once >= count and good == count,
    )  # fmt: skip
