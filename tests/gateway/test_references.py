"""The forms in which Responses clients refer to what they were given (docs/protocols/messages.md#the-memory-of-responses):
those that the vendor takes are read, the others are refused before a server that ignores them answers half of it."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.practice import Reply, ScriptedUpstream
from tests.agents.model import JSON, WHOLE, results

from .plane import Plane
from .test_memory import CALL, PATH, TOOL, bodies, everywhere, local, response_of, run, scripted

USER = {"role": "user", "content": "weather in Rome?"}


async def called(found: Plane) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The response with a call, the call, and its result."""
    first = response_of(await found.ask(PATH, {"model": "m", "tools": [TOOL], "input": [USER]}))
    call = next(item for item in first["output"] if item["type"] == "function_call")
    return first, call, {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}


@everywhere
@pytest.mark.parametrize("form", [{}, {"type": None}, {"type": "item_reference"}], ids=str)
def test_an_item_is_referred_to_by_its_id_alone(upstream: str, form: dict[str, Any]) -> None:
    """`type` may be left out, or null: the SDK's ItemReferenceParam requires `id` alone."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, CALL, "It rains.")
        local(server, upstream, found)
        _, call, result = await called(found)
        history = [USER, {**form, "id": call["id"]}, result]
        response_of(await found.ask(PATH, {"model": "m", "tools": [TOOL], "input": history}))
        told = bodies(server)[-1]
        assert results(upstream, told) == ["rain"]
        assert str(told).count("'name': 'weather'") == 2, "the tool, and its call"

    run(scene)


@everywhere
@pytest.mark.parametrize("item", [{"type": "item_reference", "id": 5}, {"type": "item_reference"}], ids=str)
def test_a_reference_without_a_name_is_no_shorter_conversation(upstream: str, item: dict[str, Any]) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=WHOLE[upstream]("hello")))
        local(server, upstream, found)
        got = await found.ask(PATH, {"model": "m", "input": [item, USER]})
        assert got.status == 400
        assert got.json()["error"]["param"].startswith("input[0]")
        assert not bodies(server)

    run(scene)


@everywhere
def test_an_item_that_stands_there_already_is_the_vendors_400(upstream: str) -> None:
    """A call twice, and its answer once: the second would have got an answer that nobody gave."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, CALL)
        local(server, upstream, found)
        first, call, result = await called(found)
        twice = {"type": "item_reference", "id": call["id"]}
        got = await found.ask(
            PATH, {"model": "m", "previous_response_id": first["id"], "input": [twice, result]}
        )
        assert got.status == 400
        assert got.json()["error"]["message"].startswith(f"Duplicate item found with id {call['id']}.")
        assert got.json()["error"]["param"] == "input"
        assert len(bodies(server)) == 1

    run(scene)


@everywhere
def test_a_message_without_a_type_is_no_reference(upstream: str) -> None:
    """Its role tells it from one, whether it has an id or not."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, "Hello.")
        local(server, upstream, found)
        said = [{"id": "msg_mine", "role": "user", "content": "a message of mine"}]
        response_of(await found.ask(PATH, {"model": "m", "input": said}))
        assert "a message of mine" in str(bodies(server)[-1])

    run(scene)
