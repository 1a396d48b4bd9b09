"""What TLS to a backend costs the data plane: CPU of a small request and of an event over plain TCP and over TLS, on warm
connections, and of a request on a connection of its own, whose session goes on (upstream/resumed.py).

`python -m tests.bench.tls_cost [ROUNDS]` prints one JSON line, in microseconds; the rounds of the two alternate. The authority
is made anew. Not here: a handshake without an earlier session, and figures beside nginx (measure.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.e2e.gateway import Gateway
from tests.upstream.certificates import authority_file, server_context
from tests.vendor_bodies import chat

from .machine import cpu_ns
from .payloads import EVENTS
from .streams_memory import _END, _EVENT, _chunk

REQUESTS, STREAMS, OPENED = 400, 3, 60
"""Of each kind in a round."""
_SMALL = json.dumps(chat.whole_of("Hello")).encode()
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_WAYS = ("plain", "tls")


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A small answer, or a stream whose events are a packet each."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.I)
            body = await reader.readexactly(int(length[1])) if length else b""
            if not body:
                writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            elif b"bench-stream" not in body:
                writer.write(_PLAIN % (len(_SMALL), _SMALL))
            else:
                writer.write(_HEAD)
                for _ in range(EVENTS):
                    writer.write(_chunk(_EVENT))
                    await asyncio.sleep(0)
                writer.write(_chunk(_END) + b"0\r\n\r\n")
    writer.close()


async def _upstream(folder: Path) -> None:
    """On two ports, until its standard input ends."""
    for tls in (None, server_context(folder)):
        server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=tls)
        print(server.sockets[0].getsockname()[1], flush=True)
    authority_file(folder)
    print("made", flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def _ask(port: int, model: str, count: int, *headers: str) -> None:
    """One after the other on one connection; each answer is read whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    body = json.dumps(
        {"model": model, "stream": "stream" in model, "messages": [{"role": "user", "content": "hi"}]}
    ).encode()
    more = "".join(f"{line}\r\n" for line in headers).encode()
    for _ in range(count):
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"%bcontent-length: %d\r\n\r\n%b" % (more, len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head[:20], head
        if b"content-length: " in head:
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        else:
            await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()


async def _round(pid: int, port: int, way: str) -> dict[str, float]:
    kinds = {
        "request": (f"{way}-small", REQUESTS, REQUESTS, ()),
        "event": (f"{way}-stream", STREAMS, STREAMS * EVENTS, ()),
        "request on a new connection": (f"{way}-small", OPENED, OPENED, ("x-pointsman-no-fallback: 1",)),
    }
    found = {}
    for kind, (model, count, of, headers) in kinds.items():
        await _ask(port, model, 1)  # its connection is warm
        before = cpu_ns(pid)
        await _ask(port, model, count, *headers)
        found[f"{way}, {kind}"] = (cpu_ns(pid) - before) / of / 1000
    return found


async def _main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        upstream = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.tls_cost", "--upstream", folder,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert upstream.stdout is not None
        ports = [int(await upstream.stdout.readline()) for _ in _WAYS]
        await upstream.stdout.readline()
        with Gateway(Path(folder, "data")) as gateway:
            urls = (f"http://127.0.0.1:{ports[0]}", f"https://localhost:{ports[1]}")
            for way, url in zip(_WAYS, urls, strict=True):
                authority = {"ca_file": str(Path(folder, "authority.pem"))} if way == "tls" else {}
                gateway.api("POST", "/api/local", {"name": way, "base_url": url, **authority})
                gateway.rule(f"{way}-small", f"local/{way}=bench-none")
                gateway.rule(f"{way}-stream", f"local/{way}=bench-stream-0")
            pid, port = gateway.pids("pointsman.gateway")[0], int(gateway.url.rpartition(":")[2])
            taken: dict[str, list[float]] = {}
            for _ in range(rounds):
                for way in _WAYS:
                    for kind, cost in (await _round(pid, port, way)).items():
                        taken.setdefault(kind, []).append(cost)
        upstream.kill()
        await upstream.wait()
    print(json.dumps({kind: round(statistics.median(costs), 1) for kind, costs in taken.items()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--upstream"]:
        uvloop.run(_upstream(Path(sys.argv[2])))
    else:
        uvloop.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
        os._exit(0)
