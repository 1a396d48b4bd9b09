"""Memory of open slow streams: PSS of the gateway's data plane before, at N open streams, and after they have ended.

`python -m tests.bench.streams_memory [N ...] [-- SERVE_OPTIONS]` starts `pointsman serve` with default limits, and in a
process of its own an upstream that sends an event a few seconds apart; prints one JSON line for each N. A process takes
half as many streams as it may have descriptors (`ulimit -Hn`): for more of them, `-- --workers 2`. Counted is what the
processes have (PSS), not what the kernel keeps of their sockets. Not here: CPU (measure.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.e2e.gateway import Gateway

_EVENT = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
_END = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
_BODY = json.dumps(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x" * 300}]},
    separators=(",", ":"),
).encode()
PACE_SECONDS = 5.0
GIVEN_BACK_SECONDS = 65.0
SETTLED_SECONDS = 6.0
"""After that it has given back what its start has left."""
AT_ONCE = 200
"""Streams that are opened side by side."""


def pss(pids: list[int]) -> int:
    """KiB of these processes together."""
    rolls = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(found[1]) for roll in rolls if (found := re.search(r"^Pss:\s+(\d+)", roll, re.M)))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ending: asyncio.Event) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"content-length: *(\d+)", head, re.I):
            await reader.readexactly(int(length[1]))
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        while not ending.is_set():
            writer.write(_chunk(_EVENT))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), PACE_SECONDS)
        writer.write(_chunk(_END) + b"0\r\n\r\n")
        await writer.drain()
    writer.close()


async def _upstream() -> None:
    """Until its standard input ends; each line there ends the streams that are open."""
    ending = [asyncio.Event()]
    server = await asyncio.start_server(lambda r, w: _answer(r, w, ending[0]), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        ending[0].set()
        ending[0] = asyncio.Event()


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"user-agent: bench\r\naccept: text/event-stream\r\ncontent-length: %d\r\n\r\n%b"
        % (len(_BODY), _BODY)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise SystemExit(f"{head!r} {await reader.read(500)!r}")
    await reader.readuntil(b"word ")
    return reader, writer


async def _rest(reader: asyncio.StreamReader) -> bool:
    seen = b""
    while piece := await reader.read(1024):
        seen = seen[-100:] + piece
        if seen.endswith(b"0\r\n\r\n"):
            return b"[DONE]" in seen
    return False


async def _measure(gateway: Gateway, count: int, end: asyncio.StreamWriter) -> dict[str, object]:
    port, pids = int(gateway.url.rpartition(":")[2]), gateway.pids("pointsman.gateway")
    await asyncio.sleep(SETTLED_SECONDS)
    for _ in range(3):  # what is loaded with the first requests is no stream's
        first = await _open(port)
        end.write(b"\n")
        assert await _rest(first[0])
        first[1].close()
    before = pss(pids)
    streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    while len(streams) < count:
        streams += await asyncio.gather(*(_open(port) for _ in range(min(AT_ONCE, count - len(streams)))))
    reading = [asyncio.ensure_future(_rest(reader)) for reader, _ in streams]
    await asyncio.sleep(2 * PACE_SECONDS)
    at = pss(pids)
    end.write(b"\n")
    whole = sum(await asyncio.gather(*reading))
    for _, writer in streams:
        writer.close()
    await asyncio.sleep(GIVEN_BACK_SECONDS)
    after = pss(pids)
    return {
        "streams": count,
        "whole": whole,
        "before_kib": before,
        "at_kib": at,
        "after_kib": after,
        "kib_a_stream": round((at - before) / count, 2),
        "kept_kib_a_stream": round((after - before) / count, 2),
    }


async def _main(counts: list[int], options: list[str]) -> None:
    end, out = await _start_upstream()
    backend = int(await out.readline())
    for count in counts:
        with tempfile.TemporaryDirectory() as folder, Gateway(Path(folder, "data"), *options) as gateway:
            gateway.api("POST", "/api/local", {"name": "slow", "base_url": f"http://127.0.0.1:{backend}"})
            gateway.rule("m", "local/slow=m")
            print(json.dumps(await _measure(gateway, count, end)), flush=True)
    end.close()


async def _start_upstream() -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.streams_memory", "--upstream",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began = time.monotonic()
    if sys.argv[1:] == ["--upstream"]:
        uvloop.run(_upstream())
    else:
        named = [*sys.argv[1:], "--"]
        at = named.index("--")
        uvloop.run(_main([int(text) for text in named[:at]] or [1000, 10_000], named[at + 1 : -1]))
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
        os._exit(0)  # its upstream ends with its standard input
