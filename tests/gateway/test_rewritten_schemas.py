"""Arguments of calls from a target whose schemas were rewritten are held against the client's own: told and counted, never
changed, in each protocol, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE
from tests.vendor_bodies.wire import Call

from .plane import Plane, plane, rule
from .test_translation import PAIRS, PATHS, ask, spec

LINES = {
    "type": "object",
    "properties": {"lines": {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}},
    "required": ["lines"],
}
"""No grammar has `uniqueItems`."""
PLAIN = {"type": "object", "properties": {"lines": {"type": "array", "items": {"type": "integer"}}}}
FITS, MISFIT = {"lines": [1, 2]}, {"lines": [1, "two"]}


def tool(protocol: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A function in the words of the protocol."""
    if protocol == MESSAGES:
        return {"name": name, "input_schema": schema}
    if protocol == RESPONSES:
        return {"type": "function", "name": name, "parameters": schema}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def calling(upstream: str, arguments: dict[str, Any]) -> Any:
    def reply(received: Received) -> Reply:
        if received.method != "POST" or received.path.startswith("/api/"):
            return Reply(404, JSON, body=b"{}")
        call = Call("cut", arguments)
        if received.json().get("stream"):
            return Reply(200, SSE, body=STREAM[upstream](call))
        return Reply(200, JSON, body=WHOLE[upstream](call))

    return reply


def count(found: Plane, name: str) -> int:
    samples = found.plane.counters.samples()
    return int(samples.get(f'pointsman_{name}_total{{target="local/box:m"}}', 0))


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_does_not_fit_the_client_s_schema_is_told_and_not_changed(
    client: str, upstream: str, stream: bool
) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane() as found:
                found.rules(rule("m", "local/box"), backends=[spec(server, upstream)])
                for schema, arguments, told in ((LINES, MISFIT, 1), (LINES, FITS, 0), (PLAIN, MISFIT, 0)):
                    server.always(calling(upstream, arguments))
                    before = count(found, "arguments_misfit"), count(found, "schemas_rewritten")
                    asked = ask(client, tools=[tool(client, "cut", schema)], stream=stream)
                    got = await found.ask(PATHS[client], asked)
                    assert got.status == 200
                    assert got.complete
                    text = got.body.decode()
                    assert [one for one in arguments["lines"] if str(one) not in text] == []
                    assert count(found, "arguments_misfit") - before[0] == told
                    assert count(found, "schemas_rewritten") - before[1] == int(schema is LINES)
                    if stream:
                        assert ("do not fit its schema: 'cut: lines[1]: it is not" in text) == bool(told)
                    else:
                        warnings = got.headers.get("x-pointsman-warnings", "").split(",")
                        assert ("arguments:cut" in warnings) == bool(told)

    uvloop.run(main())


def test_where_a_backend_speaks_the_client_s_protocol_schemas_go_as_they_are() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(calling(CHAT, MISFIT))
            async with plane() as found:
                found.rules(rule("m", "local/box"), backends=[spec(server, CHAT)])
                got = await found.ask(PATHS[CHAT], ask(CHAT, tools=[tool(CHAT, "cut", LINES)]))
                assert got.body == WHOLE[CHAT](Call("cut", MISFIT))
                sent = json.loads(next(one.body for one in server.requests if one.method == "POST"))
                assert sent["tools"][0]["function"]["parameters"] == LINES
                assert count(found, "schemas_rewritten") == 0

    uvloop.run(main())
