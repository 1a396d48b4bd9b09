"""Many clients at once, some of them leaving, and backends that misbehave: everybody gets their own answer."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .gateway import Gateway
from .load import run
from .web import post_bytes
from .wires import CHAT

TOTAL, CALLERS = 1500, 40


@dataclass
class Echo:
    """A backend that says what it was told; how it says it, the text decides. A faulty one also fails."""

    faulty: bool
    faults: Counter[str] = field(default_factory=Counter)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> str:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = (
                    int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                    if b"content-length" in head
                    else 0
                )
                body = await reader.readexactly(size)
                if not body or not await self.answer(json.loads(body), writer):
                    break
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        self.writers.discard(writer)

    async def answer(self, asked: dict[str, object], writer: asyncio.StreamWriter) -> bool:
        text = str(asked["messages"][0]["content"])  # type: ignore[index]
        how = int(text.split("-")[1]) % 10
        await asyncio.sleep(how / 1000)
        if self.faulty and how in (1, 2, 3):
            self.faults[("close", "500", "cut")[how - 1]] += 1
            head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            if how == 2:
                writer.write(head % (b"500 Broken", 2) + b"{}")
                return True
            if how == 3:
                writer.write(head % (b"200 OK", 500) + b"{")
                await writer.drain()
            return False
        if not asked.get("stream"):
            data = json.dumps(CHAT.answer(text)).encode()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(data)
            writer.write(head + (b"connection: close\r\n" if how == 4 else b"") + b"\r\n" + data)
            return how != 4
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        for frame in CHAT.frames(text):
            writer.write(b"%x\r\n%s\r\n" % (len(frame), frame))
            await asyncio.sleep(how / 2000)
        writer.write(b"0\r\n\r\n")
        return True


@dataclass
class Talk:
    """Forty callers on connections of their own, each asking for something only it asks for."""

    port: int
    model: str
    numbers: list[int] = field(default_factory=lambda: list(range(TOTAL)))
    wrong: list[str] = field(default_factory=list)
    answered: int = 0
    left: int = 0

    async def caller(self, dice: random.Random) -> None:
        while self.numbers:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                while self.numbers and await self.ask(self.numbers.pop(), dice, reader, writer):
                    pass
            finally:
                writer.transport.abort()

    async def ask(
        self, number: int, dice: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        text, stream = f"token-{number}-end", dice.random() < 0.5
        asked = CHAT.ask(self.model, text, stream=stream)
        writer.write(post_bytes(CHAT.path, json.dumps(asked).encode()))
        if dice.random() < 0.15:  # loses interest at any moment
            await asyncio.sleep(dice.random() * 0.02)
            self.left += 1
            return False
        try:
            async with asyncio.timeout(20):
                status, body = await read_answer(reader)
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            self.wrong.append(f"{text}: {error!r}")
            return False
        said = CHAT.stream_text(body) if stream else CHAT.text(json.loads(body)) if status == 200 else ""
        if status != 200 or said != text or (stream and not CHAT.ended(body)):
            self.wrong.append(f"{text}: {status} {body[:200]!r}")
        self.answered += 1
        return True


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next answer on a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ")[1])
    if b"transfer-encoding: chunked" not in head:
        return status, await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return status, body


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    folder = Path(f"/proc/{pid}/fd")
    if not folder.is_dir():
        pytest.skip("open files are counted in /proc")
    return len(os.listdir(folder))


def test_everybody_gets_their_own_answer_whoever_leaves_and_whatever_breaks(
    own_gateway: Callable[..., Gateway],
) -> None:
    gateway = own_gateway()
    (worker,) = gateway.pids("pointsman.gateway")

    async def scene() -> Talk:
        faulty, good = Echo(faulty=True), Echo(faulty=False)
        urls = [await faulty.start(), await good.start()]
        model, _ = await asyncio.to_thread(gateway.route, "local", *urls)
        talk = Talk(gateway.port, model)
        await asyncio.gather(*[talk.caller(random.Random(seed)) for seed in range(CALLERS)])
        assert len(faulty.faults) == 3, "every fault was met"
        await faulty.stop()
        await good.stop()
        return talk

    before = open_files(worker)
    talk = run(scene())
    assert talk.wrong == []
    assert talk.answered > TOTAL * 0.7
    assert talk.left > 0
    gateway.fetch("GET", "/livez")
    assert open_files(worker) <= before + 5, "connections were left open"
