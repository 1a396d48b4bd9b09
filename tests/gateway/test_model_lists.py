"""upstream.model_lists and gateway.data_plane: who is asked for a list, how long it is waited for, and what a snapshot does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from pointsman.errors import PointsmanError
from pointsman.ledger.metrics import ATTEMPTS
from pointsman.practice import Received, ScriptedUpstream
from pointsman.practice import Reply as ScriptedReply
from pointsman.routing.specs import BackendSpec
from pointsman.routing.table import RoutingTable
from pointsman.secret import Secret
from pointsman.upstream.backend import Backend
from pointsman.upstream.egress import Egress
from pointsman.upstream.model_lists import ROUND_SECONDS, WAIT_SECONDS, ModelLists
from pointsman.upstream.pool import Pool
from tests.engines.doubles import Model, double
from tests.upstream.raw import Talk, Talker, serving, spec_of

from .plane import Plane, plane, rule


def lists(*names: str) -> Talk:
    body = json.dumps({"data": [{"id": name} for name in names]}).encode()

    async def talk(talker: Talker) -> None:
        while True:
            await talker.request()
            await talker.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    return talk


async def known(found: Plane, key: str) -> None:
    end = time.monotonic() + 2.0
    while key not in found.plane.lists.known:
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


def test_local_backends_are_asked_once_when_they_appear() -> None:
    async def main() -> None:
        async with serving(lists("a", "b")) as server, plane() as found:
            box = spec_of(server.port)
            found.rules(backends=[box])
            await known(found, "local/box")
            assert found.plane.lists.known == {"local/box": frozenset({"a", "b"})}
            asked = len(server.heads)
            found.rules(rule("x", "openai"), backends=[box])  # another snapshot, the same backend
            await found.plane.lists.refresh()
            assert len(server.heads) == asked == 1
            assert found.plane.rules is not None
            assert (await found.plane.plan(found.plane.rules, "a")).targets[0].key == "local/box"
            found.rules(backends=[])
            assert found.plane.lists.known == {}
            with pytest.raises(PointsmanError):
                await found.plane.plan(found.plane.rules, "a")

    uvloop.run(main())


def test_nothing_leaves_the_machine_for_a_list() -> None:
    async def main() -> None:
        async with serving(lists("a")) as server, plane() as found:
            for key in ("openai", "anthropic", "openai/groq"):
                found.rules(
                    backends=[
                        spec_of(server.port, key=key),
                        spec_of(server.port, key="local/broken", problem="x"),
                    ]
                )
                await found.plane.lists.refresh()
            await asyncio.sleep(0.05)
            assert server.accepted == 0

    uvloop.run(main())


def test_a_backend_that_does_not_answer_is_not_waited_for_long() -> None:
    async def stalls(talker: Talker) -> None:
        await talker.request()
        await talker.gone()

    async def main() -> None:
        async with serving(stalls) as slow, serving(lists("a")) as quick, plane() as found:
            found.rules(
                backends=[spec_of(slow.port, key="local/slow"), spec_of(quick.port, key="local/quick")]
            )
            started = time.monotonic()
            answer = await found.ask("/v1/models", b"", method="GET")
            assert time.monotonic() - started < WAIT_SECONDS + 0.8
            assert "a" in [entry["id"] for entry in answer.json()["data"]]

    uvloop.run(main())


def test_models_lists_what_would_resolve_and_nothing_else() -> None:
    async def main() -> None:
        async with serving(lists("a", "org/b")) as server, plane() as found:
            found.rules(
                rule("exact", "openai"), rule("dead", "openai/none", id=2), rule("wild*", "openai", id=3), rule("alias", "local=a", id=4),
                backends=[spec_of(server.port), spec_of(1, key="openai")],
            )  # fmt: skip
            answer = await found.ask("/v1/models", b"", method="GET")
            names = [entry["id"] for entry in answer.json()["data"]]
            assert sorted(names) == ["a", "alias", "exact", "org/b"]
            one = await found.ask("/v1/models/org/b", b"", method="GET")
            assert (one.status, one.json()["id"]) == (200, "org/b")
            encoded = await found.ask("/v1/models/org%2Fb", b"", method="GET")
            assert encoded.json()["id"] == "org/b"
            for missing in ("/v1/models/dead", "/v1/models/none"):
                assert (await found.ask(missing, b"", method="GET")).status == 404

    uvloop.run(main())


# -- rounds


@asynccontextmanager
async def watched(*urls: str, every: float = 0.02) -> AsyncIterator[ModelLists]:
    pool = Pool(Egress(1.0))
    lists = ModelLists(pool, every)
    boxes = {
        f"local/b{n}": Backend(BackendSpec(f"local/b{n}", "local", f"b{n}", url))
        for n, url in enumerate(urls)
    }
    lists.follow(boxes)
    try:
        yield lists
    finally:
        lists.close()
        pool.close()
        await asyncio.sleep(0)


async def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def test_a_server_that_stops_leaves_the_list_and_is_seen_when_it_comes_back() -> None:
    """Without a client that asks for the list: it stayed there as long as nobody did."""

    async def main() -> None:
        with ScriptedUpstream() as server, ScriptedUpstream() as other:
            scripted = double("compatible", Model("a"))
            server.always(scripted)
            other.always(double("compatible", Model("z")))
            async with watched(server.url, other.url) as lists:
                await until(lambda: len(lists.known) == 2)
                before = lists.version
                server.kill()
                await until(lambda: "local/b0" not in lists.known)
                assert lists.known == {"local/b1": frozenset({"z"})}
                assert lists.version > before
                server.revive()
                await until(lambda: lists.known.get("local/b0") == {"a"})
                scripted.models.append(Model("new"))
                await until(lambda: lists.known["local/b0"] == {"a", "new"})
                scripted.models.clear()
                await until(lambda: lists.known["local/b0"] == frozenset())
            assert server.rounds >= 3
            assert len(server.requests) == 1, "the first question is no round"
            assert {one.path for one in server.requests} == {"/v1/models"}

    uvloop.run(main())


def test_a_round_is_within_the_time_that_is_promised() -> None:
    """A tenth more, at worst, and what the question takes."""
    assert ROUND_SECONDS * 1.1 + 3.0 < 15.0


def test_one_server_is_asked_by_one_connection_and_one_question_at_a_time() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(double("compatible"))
            async with watched(server.url) as lists:
                await until(lambda: server.rounds > 5)
                assert lists.version == 2, "nothing changed since its list came"
            assert server.connections == 1
            server.wait(1)
            rounds = server.rounds
            await asyncio.sleep(0.1)
            assert server.rounds == rounds, "closed"

    uvloop.run(main())


def test_a_server_that_is_busy_for_one_round_stays_and_for_two_it_goes() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(double("compatible", Model("a")))
            async with watched(server.url) as lists:
                await until(lambda: lists.known)
                seen = server.rounds
                busy: list[int] = []

                def once(received: Received) -> ScriptedReply:
                    if len(busy) < 1:
                        busy.append(1)
                        return ScriptedReply(503, {}, b"{}")
                    return double("compatible", Model("a"))(received)

                server.always(once)
                await until(lambda: server.rounds > seen + 4)
                assert lists.known == {"local/b0": frozenset({"a"})}
                server.always(ScriptedReply(503, {}, b"{}"))
                await until(lambda: not lists.known)

    uvloop.run(main())


def test_a_backend_that_is_gone_from_the_rules_is_not_asked_on() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(double("compatible", Model("a")))
            async with watched(server.url) as lists:
                await until(lambda: server.rounds > 1)
                lists.follow({})
                assert lists.known == {}
                await asyncio.sleep(0.05)
                rounds = server.rounds
                await asyncio.sleep(0.1)
                assert server.rounds == rounds
                assert lists.known == {}

    uvloop.run(main())


def test_a_model_that_moves_to_the_cloud_leaves_the_list() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            scripted = double("ollama", Model("a:latest"), Model("b:latest"))
            server.always(scripted)
            async with watched(server.url) as lists:
                await until(lambda: lists.known.get("local/b0") == {"a:latest", "b:latest"})
                scripted.models[0].elsewhere = "https://ollama.com:443"
                await until(lambda: lists.known["local/b0"] == {"b:latest"})

    uvloop.run(main())


def test_who_looks_at_the_lists_only_now_and_then_starts_no_rounds() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(double("compatible", Model("a")))
            pool = Pool(Egress(1.0))
            lists = ModelLists(pool)
            lists.follow({"local/b": Backend(BackendSpec("local/b", "local", "b", server.url))})
            await lists.refresh()
            assert lists.known == {"local/b": frozenset({"a"})}
            server.kill()
            await lists.refresh()
            assert lists.known == {"local/b": frozenset({"a"})}
            lists.close()
            pool.close()
            assert server.rounds == 0

    uvloop.run(main())


# -- snapshots


def test_a_row_that_cannot_be_used_does_not_spoil_the_others() -> None:
    async def main() -> None:
        async with plane() as found:
            broken = BackendSpec(
                key="openai", type="openai", name="", base_url="nonsense", api_key=Secret("k")
            )
            strange = BackendSpec(key="alien/x", type="alien", name="x", base_url="https://x")
            good = spec_of(1, key="local/good")
            found.rules(rule("m", "openai", "local/good"), backends=[broken, strange, good])
            state = found.plane.rules
            assert state is not None
            assert set(state.backends) == {"local/good", "local/practice"}
            targets = (await found.plane.plan(state, "m")).targets
            assert targets[0].problem
            assert targets[0].backend is None or targets[0].backend.api_key is None
            assert targets[1].problem is None

    uvloop.run(main())


def test_an_unchanged_backend_is_kept_over_a_new_snapshot() -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(backends=[spec_of(1, key="openai"), spec_of(2, key="local/a")])
            before = dict(found.plane.backends)
            found.rules(backends=[spec_of(1, key="openai"), spec_of(3, key="local/a")])
            after = found.plane.backends
            assert after["openai"] is before["openai"]
            assert after["local/a"] is not before["local/a"]
            assert after["local/practice"] is before["local/practice"]

    uvloop.run(main())


def test_plans_are_kept_and_forgotten_with_the_lists() -> None:
    async def main() -> None:
        async with plane() as found:
            found.rules(rule("*", "openai"), backends=[spec_of(1, key="openai")])
            data = found.plane
            assert data.rules is not None
            assert await data.plan(data.rules, "a") is await data.plan(data.rules, "a")
            first = await data.plan(data.rules, "a")
            data.lists.version += 1
            assert await data.plan(data.rules, "a") is not first
            for number in range(5000):
                await data.plan(data.rules, f"model-{number}")
            assert len(data.rules.plans) <= 2048

    uvloop.run(main())


def test_names_that_nobody_knows_are_looked_for_once_and_push_no_plan_out() -> None:
    """Whoever sends the same unknown name again and again, or ever new ones, costs a look into a table."""

    async def main() -> None:
        async with plane() as found:
            found.rules(rule("known", "openai"), backends=[spec_of(1, key="openai")])
            data, rules = found.plane, found.plane.rules
            assert rules is not None
            plan = await data.plan(rules, "known")
            for name in ["unknown", "unknown", *(f"unknown-{number}" for number in range(5000))]:
                with pytest.raises(PointsmanError, match="No rule matches") as caught:
                    await data.plan(rules, name)
                assert (caught.value.status, caught.value.param) == (404, "model")
            assert await data.plan(rules, "known") is plan
            rules.table = RoutingTable([rule("*", "openai")], [])  # asked, it would say yes
            with pytest.raises(PointsmanError, match="'unknown-4999'"):
                await data.plan(rules, "unknown-4999")
            assert (await data.plan(rules, "unknown")).targets  # the oldest was forgotten: it is bounded
            status = [(await found.ask("/v1/chat/completions", {"model": "m" * 600})).status]
            assert status == [404]

    uvloop.run(main())


def test_status_tells_what_was_seen() -> None:
    async def main() -> None:
        async with plane() as found:
            found.plane.board.backend("openai").last_success = 1.0
            failed = found.plane.board.backend("local/a")
            failed.last_failure, failed.last_reason = 2.0, "timeout"
            for _ in range(3):
                found.plane.counters.count((ATTEMPTS, "openai", "ok"))
            status = found.plane.status()
            health = {one.key: one for one in status.backends}
            assert health["openai"].last_success is not None
            assert (health["local/a"].last_reason, health["local/a"].last_success) == ("timeout", None)
            assert status.counters == {
                'pointsman_upstream_attempts_total{backend="openai",result="ok"}': 3.0,
                "pointsman_inflight": 0.0,
                "pointsman_usage_dropped_total": 0.0,
            }

    uvloop.run(main())


def test_ids_are_unique() -> None:
    async def main() -> None:
        async with plane() as one, plane() as other:
            ids = [p.plane.next_id() for p in (one, other) for _ in range(1000)]
            assert len(set(ids)) == 2000

    uvloop.run(main())


def test_before_the_first_snapshot_everything_says_starting() -> None:
    async def main() -> None:
        async with plane() as found:
            answer = await found.ask("/v1/messages", {"model": "m"})
            assert (answer.status, answer.json()["error"]["type"]) == (503, "overloaded_error")
            assert answer.headers["retry-after"] == "1"
            assert (await found.ask("/readyz", b"", method="GET")).status == 503
            assert (await found.ask("/livez", b"", method="GET")).status == 200

    uvloop.run(main())
