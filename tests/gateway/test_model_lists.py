"""upstream.model_lists and gateway.data_plane: who is asked for a list, how long it is waited for, and what a snapshot does."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
import uvloop

from pointsman.errors import PointsmanError
from pointsman.ledger.metrics import REQUESTS
from pointsman.routing.specs import BackendSpec
from pointsman.routing.table import RoutingTable
from pointsman.secret import Secret
from pointsman.upstream.model_lists import WAIT_SECONDS
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
                found.plane.counters.count((REQUESTS, "openai_chat", "2xx"))
            status = found.plane.status()
            health = {one.key: one for one in status.backends}
            assert health["openai"].last_success is not None
            assert (health["local/a"].last_reason, health["local/a"].last_success) == ("timeout", None)
            assert status.counters == {
                'pointsman_requests_total{protocol="openai_chat",status="2xx"}': 3.0,
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
