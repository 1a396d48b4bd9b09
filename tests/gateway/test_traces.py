"""A client's trace goes on to the backend, and to telemetry, whichever way its request takes."""

from __future__ import annotations

import pytest
import uvloop

from pointsman.practice import ScriptedUpstream
from tests.agents.model import CHAT, MESSAGES

from .plane import plane, rule
from .test_failures import cloud, whole
from .test_translation import PATHS, ask

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
def test_a_trace_travels_straight_and_translated_by_the_lane_and_the_full_way(client: str) -> None:
    async def main() -> None:
        told: list[tuple[str, bytes]] = []
        with ScriptedUpstream() as server:
            server.always(whole())
            async with plane() as found:
                found.plane.trace = lambda *one: told.append(one)
                found.rules(rule("*", "openai/a"), backends=[cloud(server, "a")])
                for more in ((), (), ("x-pointsman-no-fallback: 1",)):
                    headers = (f"traceparent: {TRACE}", "tracestate: a=1", "baggage: b=2", *more)
                    assert (await found.ask(PATHS[client], ask(client), *headers)).status == 200
                await found.ask(PATHS[client], ask(client))
                assert found.lanes >= 2
        *traced, without = [dict(one.headers) for one in server.requests]
        for sent in traced:
            assert (sent["traceparent"], sent["tracestate"], sent["baggage"]) == (TRACE, "a=1", "b=2")
        assert "traceparent" not in without
        assert told == [(record.id, TRACE.encode()) for record in found.records[:3]]

    uvloop.run(main())
