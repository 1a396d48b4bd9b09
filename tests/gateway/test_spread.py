"""One name over several equal targets (docs/design.md#equals), as clients and servers see it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from pointsman.practice import STALL, Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, RESPONSES, STREAM, WHOLE
from tests.engines.doubles import Model, double

from .plane import Got, Plane, plane, rule
from .test_translation import PATHS, ask

LOCAL = ("local/a=one", "local/b=two", "local/c=three")
CLOUD = ("openai/x=one", "openai/y=two")
STUCK = Reply(200, JSON, before=[STALL])

Scene = Callable[[Plane, list[ScriptedUpstream]], Awaitable[None]]


def backend(target: str, server: ScriptedUpstream, **more: Any) -> BackendSpec:
    key = target.partition("=")[0]
    kind, _, name = key.partition("/")
    spec: dict[str, Any] = {"dialects": (CHAT,)}
    if kind != "local":
        spec |= {"auth": "bearer", "api_key": Secret("sk-1"), "allow_http": True}
    return BackendSpec(key, kind, name, server.url, **spec | more)


def served(received: Received) -> Reply:
    if received.method != "POST" or received.path.startswith("/api/"):
        return Reply(404, JSON, body=b"{}")
    if received.json().get("stream"):
        return Reply.sse(STREAM[CHAT]("hello"))
    return Reply(200, JSON, body=WHOLE[CHAT]("hello"))


def stuck_once() -> Callable[[Received], Reply]:
    """The first request is never answered, the others are."""
    left = [STUCK]

    def step(received: Received) -> Reply:
        usual = served(received)
        return left.pop() if usual.status == 200 and left else usual

    return step


def run(work: Scene, *targets: str, backends: dict[str, Any] | None = None, **rules: Any) -> None:
    """With a server behind each target, in their order, which answer well."""

    async def main() -> None:
        with ExitStack() as stack:
            servers = [stack.enter_context(ScriptedUpstream()) for _ in targets]
            for server in servers:
                server.always(served)
            async with plane() as found:
                specs = [backend(*pair, **backends or {}) for pair in zip(targets, servers, strict=True)]
                found.rules(rule("m", *targets, spread=True, **rules), backends=specs)
                await work(found, servers)
                assert not found.lanes

    uvloop.run(main())


def posts(server: ScriptedUpstream) -> list[Received]:
    return [one for one in server.requests if one.method == "POST"]


async def chat(found: Plane, *headers: str, stream: bool = False) -> Got:
    return await found.ask(PATHS[CHAT], ask(CHAT, stream=stream), *headers)


async def answered(found: Plane, times: int) -> list[str]:
    """Who answered, one request after the other."""
    return [(await chat(found)).headers["x-pointsman-target"] for _ in range(times)]


def labels(*targets: str) -> list[str]:
    return [target.replace("=", ":") for target in targets]


@asynccontextmanager
async def held(found: Plane, keys: list[str], count: int) -> Any:
    """So many requests that come one after the other and stay; counted by backend."""
    tasks: list[asyncio.Task[Got]] = []
    try:
        for number in range(1, count + 1):
            tasks.append(asyncio.create_task(chat(found)))
            while sum(in_use(found, keys).values()) < number:
                assert not tasks[-1].done(), tasks[-1].result()
                await asyncio.sleep(0.001)
        yield in_use(found, keys)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while sum(in_use(found, keys).values()):
            await asyncio.sleep(0.001)


def in_use(found: Plane, keys: list[str]) -> dict[str, int]:
    places = {key: found.plane.board.backend(key).places for key in keys}
    return {key: one.in_use + one.queued for key, one in places.items()}


def two_engines(work: Callable[[Plane, list[Any]], Awaitable[None]], *loaded: bool, **more: Any) -> None:
    """Two Ollamas, each with the model in memory or not."""

    async def main() -> None:
        engines = [double("ollama", models=[Model("tiny", loaded=one)]) for one in loaded]
        with ExitStack() as stack:
            servers = [stack.enter_context(ScriptedUpstream()) for _ in engines]
            for server, engine in zip(servers, engines, strict=True):
                server.always(engine)
            async with plane() as found:
                targets = [f"local/{name}=tiny" for name in ("a", "b")]
                specs = [backend(*pair, **more) for pair in zip(targets, servers, strict=True)]
                found.rules(rule("m", *targets, spread=True), backends=specs)
                rules = found.plane.rules
                assert rules is not None
                await found.plane.facts.refresh(rules.backends.values())
                await work(found, servers)

    uvloop.run(main())


def test_the_engine_that_has_the_model_loaded_is_asked_first() -> None:
    async def work(found: Plane, servers: list[Any]) -> None:
        assert await answered(found, 4) == ["local/b:tiny"] * 4

    two_engines(work, False, True)


def test_where_no_engine_has_it_one_loads_it_and_is_asked_from_then_on() -> None:
    async def work(found: Plane, servers: list[Any]) -> None:
        assert await answered(found, 4) == ["local/a:tiny"] * 4

    two_engines(work, False, False)


def test_where_each_engine_has_it_they_take_turns() -> None:
    async def work(found: Plane, servers: list[Any]) -> None:
        assert await answered(found, 4) == ["local/a:tiny", "local/b:tiny"] * 2

    two_engines(work, True, True)


def test_a_full_engine_is_left_for_one_that_must_load_the_model() -> None:
    async def work(found: Plane, servers: list[Any]) -> None:
        servers[1].script(STUCK)
        async with held(found, ["local/a", "local/b"], 1) as counted:
            assert counted == {"local/a": 0, "local/b": 1}
            assert await answered(found, 1) == ["local/a:tiny"]

    two_engines(work, False, True, max_in_flight=1)


def test_requests_one_after_the_other_go_round_and_each_gets_its_own_models_name() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        assert await answered(found, 6) == labels(*LOCAL) * 2
        names = [[one.json()["model"] for one in posts(server)] for server in servers]
        assert names == [["one", "one"], ["two", "two"], ["three", "three"]]

    run(work, *LOCAL)


def test_the_turn_is_the_same_whenever_it_is_played_again() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        played.append(await answered(found, 12))

    played: list[list[str]] = []
    for _ in range(2):
        run(work, *CLOUD, weights=(3, 1))
    assert played[0] == played[1]
    assert Counter(played[0]) == {"openai/x:one": 9, "openai/y:two": 3}


def test_weights_that_were_edited_by_hand_stop_nobody() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        assert Counter(await answered(found, 4)) == {"openai/x:one": 2, "openai/y:two": 2}

    run(work, *CLOUD, weights=(0,))


@pytest.mark.parametrize(
    ("targets", "weights", "shares"),
    [(LOCAL, (), [3, 3, 3]), (CLOUD, (), [4, 4]), (CLOUD, (3, 1), [6, 2]), (LOCAL, (2, 1, 1), [4, 2, 2])],
    ids=["three", "two", "three to one", "two to one to one"],
)
def test_under_load_each_has_its_share_in_flight(
    targets: tuple[str, ...], weights: tuple[int, ...], shares: list[int]
) -> None:
    keys = [target.partition("=")[0] for target in targets]

    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for server in servers:
            server.always(STUCK)
        async with held(found, keys, sum(shares)) as counted:
            assert list(counted.values()) == shares

    run(work, *targets, weights=weights)


def test_requests_side_by_side_have_their_shares_within_bounds() -> None:
    def quick(received: Received) -> Reply:
        return replace(served(received), before=[Pause(0.005)])

    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for server in servers:
            server.always(quick)
        asked: Counter[str] = Counter()

        async def client() -> None:
            for name in await answered(found, 10):
                asked[name] += 1

        await asyncio.gather(*(client() for _ in range(8)))
        assert 50 <= asked["openai/x:one"] <= 70
        assert sum(asked.values()) == 80

    run(work, *CLOUD, weights=(3, 1))


def test_a_slow_equal_gets_less() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        servers[0].always(stuck_once())
        slow = [asyncio.create_task(chat(found))]
        while not in_use(found, ["local/a"])["local/a"]:
            await asyncio.sleep(0.001)
        assert await answered(found, 5) == ["local/b:two"] * 5
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    run(work, *LOCAL[:2])


def test_a_dead_equal_costs_one_request_a_moment_and_the_next_ones_nothing() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        servers[0].kill()
        first = await chat(found)
        assert first.headers["x-pointsman-target"] == "local/b:two"
        assert first.headers["x-pointsman-fallback"] == "connect"
        for _ in range(4):
            got = await chat(found)
            assert (got.status, got.headers["x-pointsman-attempts"]) == (200, "1")
            assert "x-pointsman-fallback" not in got.headers
        assert (await chat(found, "x-pointsman-no-fallback: 1")).status == 200

    run(work, *LOCAL[:2])


def test_while_one_is_away_the_others_share_alike() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        found.plane.board.backend("local/a").down = True
        assert Counter(await answered(found, 6)) == {"local/b:two": 3, "local/c:three": 3}

    run(work, *LOCAL)


def test_who_fails_is_followed_by_the_next_equal_and_then_by_the_rest() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for server in servers[:2]:
            server.always(Reply(500, JSON, body={"error": {"message": "no"}}))
        got = await chat(found)
        assert got.headers["x-pointsman-target"] == "openai/x:one"
        assert got.headers["x-pointsman-attempts"] == "3"

    run(work, *LOCAL[:2], CLOUD[0])


def test_local_equals_come_before_a_provider_that_stands_between_them() -> None:
    """`--fallback openai` without a name is put before `--fallback local/b`."""

    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        assert await answered(found, 4) == ["local/a:one", "local/b:two"] * 2
        assert not posts(servers[1])

    run(work, LOCAL[0], CLOUD[0], LOCAL[1])


def test_an_equal_without_a_free_place_is_left_and_where_all_are_full_its_queue_is_waited_in() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for server in servers[:2]:
            server.always(stuck_once())
        async with held(found, ["local/a", "local/b"], 2) as counted:
            assert counted == {"local/a": 1, "local/b": 1}
            waiting = asyncio.create_task(chat(found))
            while found.plane.board.backend("local/a").places.queued != 1:
                await asyncio.sleep(0.001)
            assert not posts(servers[2]), "that is for a rule with --fallback-on busy"
        assert (await waiting).headers["x-pointsman-target"] == "local/a:one"

    run(work, *LOCAL[:2], CLOUD[0], backends={"max_in_flight": 1})


def test_with_busy_a_full_group_is_left_for_the_rest() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for server in servers[:2]:
            server.always(stuck_once())
        async with held(found, ["local/a", "local/b"], 2):
            got = await chat(found)
            assert got.headers["x-pointsman-target"] == "openai/x:one"
            assert got.headers["x-pointsman-fallback"] == "throttled"

    run(work, *LOCAL[:2], CLOUD[0], backends={"max_in_flight": 1}, fallback_on=("busy",))


def test_a_hedge_asks_the_next_equal() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        servers[0].always(stuck_once())
        assert (await chat(found)).headers["x-pointsman-target"] == "local/b:two"
        assert len(posts(servers[0])) == len(posts(servers[1])) == 1

    run(work, *LOCAL[:2], hedge_seconds=0.05)


def test_too_long_for_one_goes_to_the_next_equal() -> None:
    def short(received: Received) -> Reply:
        said = {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}
        return Reply(400, JSON, body={"error": said})

    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        servers[0].always(short)
        assert await answered(found, 2) == ["local/b:two"] * 2

    run(work, *LOCAL[:2], fallback_on=("context",))


def test_a_wall_stands_around_all_equals() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        assert Counter(await answered(found, 4)) == {"local/a:one": 2, "local/b:two": 2}

    run(work, *LOCAL[:2], local_only=True)


def test_a_clients_login_goes_to_its_own_origin_only() -> None:
    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for _ in range(4):
            assert (await chat(found, "authorization: Bearer sk-ant-oat01-mine")).status == 200
        keys = [{one.headers["authorization"] for one in server.requests} for server in servers]
        assert keys == [{"Bearer sk-ant-oat01-mine"}, {"Bearer sk-1"}]

    run(work, *CLOUD, forward_auth=True)


def test_a_response_that_one_equal_keeps_is_known_to_the_other() -> None:
    """The second turn went to the other account, which had never heard of the first: 404."""

    def kept(received: Received) -> Reply:
        body = json.loads(WHOLE[RESPONSES]("hello"))
        return Reply(200, JSON, body=body | {"id": f"resp_{received.headers['host'][-5:]}"})

    async def work(found: Plane, servers: list[ScriptedUpstream]) -> None:
        for server in servers:
            server.always(kept)
        first = await found.ask(PATHS[RESPONSES], {"model": "m", "input": "one"})
        assert first.status == 200, first.body
        again = {"model": "m", "input": "two", "previous_response_id": first.json()["id"]}
        second = await found.ask(PATHS[RESPONSES], again)
        assert second.headers["x-pointsman-target"] == "openai/y:two"
        sent = servers[1].requests[-1].json()
        assert "previous_response_id" not in sent
        assert "one" in str(sent["input"])

    run(work, *CLOUD, backends={"dialects": (RESPONSES,)})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_rule_of_its_own_beside_it_keeps_its_lane(stream: bool) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(served)
            async with plane() as found:
                specs = [backend(target, server) for target in LOCAL]
                plain, spread = rule("m", LOCAL[0]), rule("n", *LOCAL, id=2, spread=True)
                found.rules(plain, spread, backends=specs)
                await chat(found, stream=stream)
                before = found.lanes
                await chat(found, stream=stream)
                assert found.lanes == before + 1
                assert not found.plane.turns

    uvloop.run(main())
