"""`--fallback-on busy`: a target whose places are all taken is left at once, and waited for only where nobody else serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from pointsman.practice import STALL, Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON

from .plane import Got, Plane, plane, rule
from .test_next_target import CLIENTS, box, cloud
from .test_spread import served
from .test_translation import PATHS, ask

STUCK = Reply(200, JSON, before=[STALL])
TARGETS = ("local/box", "openai/far")
Scene = Callable[[Plane, ScriptedUpstream, ScriptedUpstream], Awaitable[None]]


def run(work: Scene, *targets: str, far: dict[str, Any] | None = None, **rules: Any) -> None:
    """With one place at the local server, which is first."""

    async def main() -> None:
        with ScriptedUpstream() as near, ScriptedUpstream() as there:
            near.always(served)
            there.always(served)
            async with plane() as found:
                rules.setdefault("fallback_on", ("busy",))
                backends = [box(near, max_in_flight=1), cloud(there, **far or {})]
                found.rules(rule("*", *targets or TARGETS, **rules), backends=backends)
                await work(found, near, there)

    uvloop.run(main())


async def chat(found: Plane, *headers: str, client: str = CHAT) -> Got:
    return await found.ask(PATHS[client], ask(client), *headers)


@asynccontextmanager
async def taken(found: Plane, server: ScriptedUpstream, key: str = "local/box") -> Any:
    """Its only place; given back at the end."""
    usual = [STUCK]

    def step(received: Received) -> Reply:
        return usual.pop() if received.method == "POST" and usual else served(received)

    server.always(step)
    task = asyncio.create_task(chat(found))
    places = found.plane.board.backend(key).places
    while not places.in_use or usual:
        assert not task.done(), task.result()
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def queued(found: Plane, task: asyncio.Task[Got], key: str = "local/box") -> None:
    while found.plane.board.backend(key).places.queued != 1:
        assert not task.done(), task.result()
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_next_is_asked_at_once(client: str) -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        async with taken(found, near):
            got = await chat(found, client=client)
        assert (got.status, got.headers["x-pointsman-target"]) == (200, "openai/far:m")
        assert (got.headers["x-pointsman-fallback"], got.headers["x-pointsman-attempts"]) == (
            "throttled",
            "1",
        )
        assert (await chat(found, client=client)).headers["x-pointsman-target"] == "local/box:m"

    run(work)


def test_without_the_word_it_is_waited_for() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        async with taken(found, near):
            waits = asyncio.create_task(chat(found))
            await queued(found, waits)
        assert (await waits).headers["x-pointsman-target"] == "local/box:m"

    run(work, fallback_on=("context",))


def test_who_asks_for_no_fallback_waits() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        async with taken(found, near):
            waits = asyncio.create_task(chat(found, "x-pointsman-no-fallback: 1"))
            await queued(found, waits)
        assert (await waits).headers["x-pointsman-target"] == "local/box:m"

    run(work)


def test_the_only_target_is_waited_for() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        async with taken(found, near):
            waits = asyncio.create_task(chat(found))
            await queued(found, waits)
        got = await waits
        assert (got.status, got.headers["x-pointsman-attempts"]) == (200, "1")

    run(work, "local/box")


def test_where_the_next_fails_its_queue_is_waited_in_after_all() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        far.always(Reply(500, JSON, body={"error": {"message": "no"}}))
        async with taken(found, near):
            waits = asyncio.create_task(chat(found))
            await queued(found, waits)
        got = await waits
        assert (got.status, got.headers["x-pointsman-target"]) == (200, "local/box:m")
        assert (got.headers["x-pointsman-attempts"], got.headers["x-pointsman-fallback"]) == (
            "2",
            "upstream_error",
        )

    run(work)


def test_too_long_for_the_first_waits_for_a_busy_second() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        said = {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}
        far.always(Reply(400, JSON, body={"error": said}))
        async with taken(found, near):
            waits = asyncio.create_task(chat(found))
            await queued(found, waits)
        assert (await waits).headers["x-pointsman-target"] == "local/box:m"

    run(work, "openai/far", "local/box", fallback_on=("busy", "context"))


def test_a_full_queue_is_told_with_what_became_of_each() -> None:
    async def work(found: Plane, near: ScriptedUpstream, far: ScriptedUpstream) -> None:
        far.kill()
        found.plane.board.backend("local/box").places.queue = 0
        async with taken(found, near):
            got = await chat(found)
        assert got.status == 503
        said = got.json()["error"]["message"]
        assert "1 requests are running there" in said
        assert "openai/far:m: " in said

    run(work)
