"""`/metrics` of one process: what only the way of a request knows, and who may read it."""

from __future__ import annotations

import asyncio
import hmac

import pytest
import uvloop

from pointsman.gateway.client.access import HostGuard
from pointsman.link.messages import ClientKeySpec
from pointsman.practice import Pause, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, WHOLE
from tests.ledger.exposition import Family, parse, problems_of

from .plane import Plane, plane, rule
from .test_failures import FAILS, alone, chat, cloud, whole
from .test_translation import PATHS, ask, spec


async def scraped(found: Plane) -> dict[str, Family]:
    text = (await found.ask("/metrics", b"", method="GET")).body.decode()
    assert problems_of(text) == []
    return parse(text)


def of(families: dict[str, Family], name: str) -> dict[tuple[str, ...], float]:
    family = families.get(f"pointsman_{name}", Family())
    return {tuple(value for _, value in labels): number for labels, number in family.samples.items()}


def test_a_fallback_is_counted_from_whom_to_whom_and_why() -> None:
    async def main() -> None:
        with ScriptedUpstream() as first, ScriptedUpstream() as second:
            first.always(FAILS)
            second.always(whole("from the second"))
            async with plane() as found:
                targets = ("openai/a=big", "openai/b")
                found.rules(rule("m", *targets), backends=[cloud(first, "a"), cloud(second, "b")])
                for _ in range(6):  # after the fifth the first one is passed over
                    assert (await chat(found)).status == 200
                told = await scraped(found)
        edge = ("openai/a:big", "upstream_error", "openai/b:m")
        assert of(told, "fallbacks_total") == {edge: 6}
        assert of(told, "rescued_total") == {("openai/b:m",): 6}
        assert of(told, "requests_total") == {("openai_chat", "m", "2xx", "openai/b:m"): 6}
        assert of(told, "breaker_state") == {("openai/a:big",): 2, ("openai/b:m",): 0}
        assert of(told, "gateway_overhead_seconds") == {("openai_chat",): 6}

    uvloop.run(main())


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
def test_the_gateways_own_part_leaves_out_the_backends_time(client: str) -> None:
    """By a lane of their own, translated, and by the full way: the second request has what the lane needs."""

    async def main() -> None:
        slow = Reply(200, JSON, before=[Pause(0.3)], body=WHOLE[CHAT]("slowly"))
        with ScriptedUpstream() as server:
            server.always(slow)
            async with plane() as found:
                found.rules(rule("*", "openai/a"), backends=[cloud(server, "a")])
                for header in ("a: b", "a: b", "x-pointsman-no-fallback: 1"):
                    assert (await found.ask(PATHS[client], ask(client), header)).status == 200
                assert found.lanes
                told = await scraped(found)
        (labels,) = told["pointsman_gateway_overhead_seconds"].samples
        assert told["pointsman_gateway_overhead_seconds"].samples[labels] == 3
        assert 0 < told["pointsman_gateway_overhead_seconds"].sums[labels] < 0.3
        assert min(told["pointsman_request_duration_seconds"].sums.values()) > 0.9

    uvloop.run(main())


def test_waits_in_a_queue_are_told_and_are_no_overhead() -> None:
    async def main() -> None:
        slow = Reply(200, JSON, before=[Pause(0.15)], body=WHOLE[CHAT]("slowly"))
        async with alone(slow, rules={"max_in_flight": 1}) as (found, _):
            await asyncio.gather(*(chat(found) for _ in range(3)))
            told = await scraped(found)
        assert of(told, "queue_seconds") == {("local/box",): 2}
        assert sum(told["pointsman_queue_seconds"].sums.values()) > 0.3
        assert sum(told["pointsman_gateway_overhead_seconds"].sums.values()) < 0.15

    uvloop.run(main())


def test_beyond_this_machine_metrics_need_a_client_key_and_the_planes_own_pages_are_nobodys() -> None:
    async def main() -> None:
        key = ClientKeySpec(1, "prometheus", hmac.digest(b"p", b"pm-secret", "sha256"))
        async with plane(HostGuard("0.0.0.0", (), ())) as found:
            with ScriptedUpstream() as server:
                more = {"client_keys": (key,), "keys_required": True, "pepper": b"p"}
                found.rules(rule("m", "local/box"), backends=[spec(server, CHAT)], **more)
                assert (await found.ask("/metrics", b"", method="GET")).status == 401
                good = await found.ask("/metrics", b"", "authorization: Bearer pm-secret", method="GET")
                assert (good.status, b"pointsman_inflight" in good.body) == (200, True)
                for path in ("/internal/metrics", "/%69nternal/metrics", "/internal/%6detrics"):
                    assert (await found.ask(path, b"", method="GET")).status == 404

    uvloop.run(main())
