"""The data plane's end of the warden's socket, against a real warden with small engines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from pointsman.errors import PointsmanError
from pointsman.link.engine_desk import EngineDesk, EngineStanding
from tests.warden.house import House, command

Make = Callable[..., House]


@asynccontextmanager
async def at(
    found: House, on_state: Callable[[EngineStanding], None] = lambda one: None
) -> AsyncIterator[EngineDesk]:
    desk = EngineDesk(os.path.join(found.runtime_dir, "warden.sock"), on_state)
    running = asyncio.create_task(desk.run())
    try:
        async with asyncio.timeout(30):
            yield desk
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(what: Callable[[], object]) -> None:
    while not what():
        await asyncio.sleep(0.02)


async def told(desk: EngineDesk, **numbers: int) -> None:
    """The warden comes to say so of its first engine; each connection is read in its turn."""
    while True:
        (state, *_) = (await desk.order("list"))["engines"]
        if numbers.items() <= state.items():
            return
        await asyncio.sleep(0.02)


def test_many_wait_for_one_load_and_are_under_way_then(tmp_path: Path) -> None:
    async def play(found: House) -> None:
        async with at(found) as desk, at(found) as other:
            addresses = await asyncio.gather(
                *(one.ready("a", 20) for one in (desk, other) for _ in range(25))
            )
            assert len(set(addresses)) == 1
            await told(desk, busy=50, queue=0)
            for _ in range(25):
                desk.done("a")
                other.done("a")
            await told(desk, busy=0, queue=0)
            assert desk.take("a") == addresses[0]

    with House(tmp_path) as found:
        found.recipe("a", command("--load=0.3"))
        asyncio.run(play(found))
        assert found.log("a").count("engine begins") == 1


def test_the_warden_dies_and_requests_go_on(tmp_path: Path) -> None:
    async def play(found: House) -> None:
        async with at(found) as desk:
            address = await desk.ready("a", 20)
            found.kill_warden()
            await until(lambda: not desk.connected)
            assert desk.take("a") == address
            late = asyncio.create_task(desk.ready("b", 20))
            found.start()
            assert await late != address
            assert desk.take("a") == address
            states = {one["engine"]: one for one in (await desk.order("list"))["engines"]}
            assert states["a"]["busy"] == 2  # said again, and more since: it is told with the next change
            assert states["b"]["busy"] == 1

    with House(tmp_path) as found:
        for name in "ab":
            found.recipe(name, command())
        asyncio.run(play(found))


def test_a_refusal_reaches_all_who_wait_with_its_reason(tmp_path: Path) -> None:
    async def play(found: House) -> None:
        async with at(found) as desk:
            results = await asyncio.gather(*(desk.ready("a", 20) for _ in range(3)), return_exceptions=True)
            for result in results:
                assert isinstance(result, PointsmanError)
                assert "ended with code 3" in result.public
                assert result.status == 503
            with pytest.raises(PointsmanError, match="There is no engine 'nobody'"):
                await desk.ready("nobody", 20)

    with House(tmp_path, deaths=1) as found:
        found.recipe("a", command("--exit=3"))
        asyncio.run(play(found))


def test_who_does_not_wait_any_longer_is_told_how_it_stands_and_counts_no_more(tmp_path: Path) -> None:
    async def play(found: House) -> None:
        async with at(found) as desk:
            with pytest.raises(PointsmanError, match=r"not ready after 0\.3 s \(it is (starting|loading)\)"):
                await desk.ready("a", 0.3)
            waiting = asyncio.create_task(desk.ready("a", 20))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await told(desk, busy=0, queue=0)
            await until(
                lambda: desk.state("a") and desk.states()[0].state == "ready"
            )  # it was loaded all the same

    with House(tmp_path) as found:
        found.recipe("a", command("--load=0.8"))
        asyncio.run(play(found))


def test_a_warden_that_speaks_nonsense_is_left_and_asked_again(tmp_path: Path) -> None:
    async def play() -> None:
        pieces = [b"rubbish\n", b"[1]\n", b'{"engine": 1}\n', b'{"engine": "a", "sta', b"x" * 2**21 + b"\n"]

        over = asyncio.Semaphore(0)

        async def warden(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if pieces:
                writer.write(pieces.pop(0))
            else:
                writer.write(b'{"engine": "a", "state": "ready", "address": "unix:/x", "later": 1}\n')
                while await reader.readline():
                    pass
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            over.release()

        async with await asyncio.start_unix_server(warden, tmp_path / "s"):
            desk = EngineDesk(str(tmp_path / "s"))
            running = asyncio.create_task(desk.run())
            assert await desk.ready("a", 10) == "unix:/x"
            assert pieces == []
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            for _ in range(6):  # connections
                await over.acquire()

    asyncio.run(play())


def test_without_a_warden_it_is_said_so() -> None:
    async def play() -> None:
        desk = EngineDesk("/nowhere/warden.sock")
        running = asyncio.create_task(desk.run())
        with pytest.raises(PointsmanError, match="the process that starts local engines does not answer"):
            await desk.ready("a", 0.1)
        with pytest.raises(PointsmanError, match="does not answer now"):
            await desk.order("list")
        running.cancel()

    asyncio.run(play())


def test_changes_are_told_and_what_stops_is_taken_no_more(tmp_path: Path) -> None:
    seen: list[str] = []

    async def play(found: House) -> None:
        async with at(found, lambda one: seen.append(one.state)) as desk:
            await desk.ready("a", 20)
            desk.done("a")
            await asyncio.sleep(0.2)
            await desk.order("stop", engine="a")
            await until(lambda: desk.states()[0].state == "cold")
            assert desk.take("a") is None
            with pytest.raises(PointsmanError, match="op must be one of"):
                await desk.order("fly")

    with House(tmp_path) as found:
        found.recipe("a", command("--load=0.3"))
        asyncio.run(play(found))
    assert {"starting", "ready", "stopping", "cold"} <= set(seen)
