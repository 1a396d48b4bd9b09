"""A fast fixed upstream and a caller that keeps many connections busy, on one loop of the test's own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import uvloop

from .wires import CHAT

T = TypeVar("T")
LIMIT_SECONDS = 45.0


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it on a fresh fast loop that is closed afterwards."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class _Fixed(asyncio.Protocol):
    """Answers every POST with the same chat completion; notes which model it was asked for."""

    def __init__(self, owner: FixedUpstream) -> None:
        self.owner = owner
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass
        self.owner.open.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.owner.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, mark, rest = self.buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"POST "):
                self.buffer = rest
                self.transport.write(self.owner.reply)
                continue
            size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(rest) < size:
                return
            body, self.buffer = rest[:size], rest[size:]
            self.owner.models[json.loads(body)["model"]] += 1
            self.transport.write(self.owner.reply)


@dataclass
class FixedUpstream:
    """`async with FixedUpstream("a") as server:` answers "a" at server.url."""

    says: str
    models: Counter[str] = field(default_factory=Counter)
    open: set[asyncio.Transport] = field(default_factory=set)

    async def __aenter__(self) -> FixedUpstream:
        body = json.dumps(CHAT.answer(self.says)).encode()
        self.reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
            body
        )
        self.reply += body
        self.server = await asyncio.get_running_loop().create_server(lambda: _Fixed(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for transport in list(self.open):
            transport.close()
        await self.server.wait_closed()


@dataclass
class Outcome:
    """What came back: the answers' texts with their target header, and everything that went wrong."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + len(self.failures)


async def _caller(
    url: str, request: bytes, outcome: Outcome, go_on: Callable[[], bool], reconnect: bool
) -> None:
    parts = urlsplit(url)
    while go_on():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while go_on():
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(
                    line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2] if b": " in line
                )
                body = await reader.readexactly(int(fields[b"content-length"]))
                if b" 200 " in head.split(b"\r\n", 1)[0]:
                    target = fields.get(b"x-pointsman-target", b"?").decode()
                    outcome.answers[CHAT.text(json.loads(body)), target] += 1
                else:
                    outcome.failures.append(f"{head.splitlines()[0]!r} {body[:300]!r}")
                if fields.get(b"connection") == b"close":
                    break
        except (OSError, asyncio.IncompleteReadError) as error:
            outcome.failures.append(f"{type(error).__name__}: {error}")
            if not reconnect:
                return
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass


async def under_load(
    url: str,
    model: str,
    meanwhile: Callable[[Outcome], Awaitable[None]],
    *,
    at_least: int,
    connections: int = 16,
    reconnect: bool = False,
) -> Outcome:
    """Sends chat requests on kept connections until `meanwhile` is done and `at_least` were answered."""
    body = json.dumps(CHAT.ask(model)).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )
    outcome = Outcome()
    task = asyncio.ensure_future(meanwhile(outcome))
    callers = [
        _caller(url, request + body, outcome, lambda: not task.done() or outcome.total < at_least, reconnect)
        for _ in range(connections)
    ]
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*callers)
        if outcome.failures and not task.done():  # every caller gave up: `meanwhile` would wait for ever
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            outcome.failures.append("nobody was left to send requests")
    return outcome
