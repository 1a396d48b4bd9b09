"""Fifty clients over three engines with room for two, by a real warden: every request finds its engine alive."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from pathlib import Path

from pointsman.link.engine_desk import EngineDesk

from .house import House, command

CLIENTS, REQUESTS = 50, 6


async def ask(address: str) -> bytes:
    """A request of a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"GET /health HTTP/1.0\r\n\r\n")
    said = await reader.read()
    writer.close()
    await asyncio.sleep(0.02)
    return said


async def client(desk: EngineDesk, chance: random.Random, waits: list[float]) -> None:
    for _ in range(REQUESTS):
        name = chance.choice("abc")
        begun = time.monotonic()
        address = await desk.ready(name, 60)
        waits.append(time.monotonic() - begun)
        try:
            assert b"ok" in await ask(address)
        finally:
            desk.done(name)


async def play(found: House) -> list[float]:
    """Two processes' desks, half of the clients each. How long each request waited."""
    path = os.path.join(found.runtime_dir, "warden.sock")
    desks = [EngineDesk(path), EngineDesk(path)]
    running = [asyncio.create_task(desk.run()) for desk in desks]
    waits: list[float] = []
    await asyncio.gather(*(client(desks[n % 2], random.Random(n), waits) for n in range(CLIENTS)))
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return waits


def test_fifty_clients_over_three_engines_with_room_for_two(tmp_path: Path) -> None:
    size = 100 * 2**20
    with House(
        tmp_path, f"--budget={2 * size + size // 2}", min_stay=0.2, settle=30, max_wait=0.5, patience=60
    ) as found:
        for name in "abc":
            found.recipe(name, command("--load=0.1"), memory=size)
        begun = time.monotonic()
        waits = asyncio.run(play(found))
        loads = {name: found.log(name).count("engine begins") for name in "abc"}
        print(
            f"{len(waits)} requests in {time.monotonic() - begun:.1f} s, loads {loads}, longest wait {max(waits):.1f} s"
        )
    assert len(waits) == CLIENTS * REQUESTS
    assert all(loads.values())
    assert sum(loads.values()) < len(waits) / 8
