"""What a Responses client need not send again: `item_reference` and `previous_response_id` answered from the memory of
what it was given, whichever protocol its backend speaks (docs/protocols/messages.md#the-memory-of-responses)."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from pointsman.dialects.ids import upstream_id
from pointsman.gateway.conversations import Conversations
from pointsman.gateway.holders import Holders
from pointsman.gateway.own.siblings import Siblings
from pointsman.link.messages import ClientKeySpec
from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import SecretBytes
from pointsman.translation.response_memory import ResponseMemory
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call, results
from tests.vendor_bodies.wire import Step

from .plane import Got, Plane, plane, rule
from .test_translation import spec

PATH = "/v1/responses"
TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
CALL = Call("weather", {"city": "Rome"})
everywhere = pytest.mark.parametrize("upstream", [CHAT, MESSAGES, RESPONSES])
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def scripted(server: ScriptedUpstream, upstream: str, *steps: Step) -> None:
    """One answer a request, in their order, whole or as a stream; each with ids of its own, as real ones have."""
    left = iter(enumerate(steps))

    def answer(received: Received) -> Reply:
        if received.method == "GET":
            return Reply(200, JSON, body=b'{"object":"list","data":[]}')
        stream = received.json().get("stream")
        number, step = next(left)
        body = (STREAM if stream else WHOLE)[upstream](step)
        body = re.sub(rb'"(resp|msg|chatcmpl|fc)([_-])', rb'"\1\g<2>%d' % number, body)
        return Reply(200, SSE if stream else JSON, body=body)

    server.always(answer)


def response_of(got: Got) -> dict[str, Any]:
    """The response object, whole or out of the stream's last event."""
    assert got.status == 200, got.body
    if got.headers["content-type"].startswith("application/json"):
        return dict(got.json())
    last = [line for line in got.body.split(b"\n") if line.startswith(b"data: {")][-1]
    event = json.loads(last.removeprefix(b"data: "))
    assert event["type"] == "response.completed"
    return dict(event["response"])


def bodies(server: ScriptedUpstream) -> list[dict[str, Any]]:
    return [received.json() for received in server.requests if received.method == "POST"]


def run(scene: Callable[[ScriptedUpstream, Plane], Coroutine[Any, Any, None]], **limits: Any) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            async with plane(**limits) as found:
                await scene(server, found)

    uvloop.run(main())


def local(server: ScriptedUpstream, upstream: str, found: Plane) -> None:
    found.rules(rule("*", "local/box"), backends=[spec(server, upstream)])


def words(upstream: str, body: dict[str, Any]) -> str:
    """All that the backend was told, as one text: who reads it looks for the order of a few words."""
    return json.dumps(body["input"] if upstream == RESPONSES else body["messages"])


# -- item_reference


@everywhere
@streamed
def test_a_tool_loop_by_item_references_goes_on_in_every_protocol(upstream: str, stream: bool) -> None:
    """Vercel's `openai('model')` sends its model's own items as references unless told `store: false`."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, CALL, "It rains in Rome.", "You are welcome.")
        local(server, upstream, found)
        more = {"model": "m", "tools": [TOOL], "stream": stream}
        user = {"role": "user", "content": "weather in Rome?"}
        first = response_of(await found.ask(PATH, {**more, "input": [user]}))
        call = next(item for item in first["output"] if item["type"] == "function_call")
        references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain, 9 degrees"}
        history = [user, *references, result]
        second = response_of(await found.ask(PATH, {**more, "input": history}))
        history += [{"type": "item_reference", "id": item["id"]} for item in second["output"]]
        history.append({"role": "user", "content": "thanks"})
        response_of(await found.ask(PATH, {**more, "input": history}))
        _, told, last = bodies(server)
        assert results(upstream, told) == ["rain, 9 degrees"]
        assert upstream_id(call["call_id"]) in words(upstream, told)
        assert "weather" in words(upstream, told)
        assert "item_reference" not in json.dumps(told)
        assert words(upstream, last).index("It rains in Rome.") < words(upstream, last).index("thanks")

    run(scene)


@everywhere
def test_an_unknown_item_is_a_400_that_names_store_false(upstream: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=WHOLE[upstream]("hello")))
        local(server, upstream, found)
        history = [{"role": "user", "content": "hi"}, {"type": "item_reference", "id": "msg_never_given"}]
        got = await found.ask(PATH, {"model": "m", "input": history})
        assert (got.status, got.json()["error"]["param"]) == (400, "input[1]")
        assert "store: false" in got.json()["error"]["message"]
        assert not bodies(server)

    run(scene)


# -- previous_response_id


@everywhere
@streamed
def test_a_conversation_goes_on_from_the_response_before(upstream: str, stream: bool) -> None:
    """Three turns, of which the client sends its own words alone; instructions are not carried over
    (the vendor: "instructions from a previous response will not be carried over")."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, "One is noted.", "Two is noted.", "Three.")
        local(server, upstream, found)
        previous: dict[str, Any] = {"instructions": "only at first"}
        for said in ("I say one", [{"role": "user", "content": "I say two"}], "I say three"):
            body = {"model": "m", "input": said, "stream": stream, **previous}
            previous = {"previous_response_id": response_of(await found.ask(PATH, body))["id"]}
        last = bodies(server)[-1]
        told = words(upstream, last)
        order = ["I say one", "One is noted.", "I say two", "Two is noted.", "I say three"]
        assert [told.count(one) for one in order] == [1] * 5
        assert sorted(order, key=told.index) == order
        assert "only at first" not in json.dumps(last)
        assert "previous_response_id" not in last

    run(scene)


@everywhere
@streamed
def test_a_tool_loop_by_previous_response_id_sends_the_result_alone(upstream: str, stream: bool) -> None:
    """As openai-agents does with `auto_previous_response_id`."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, CALL, "It rains in Rome.")
        local(server, upstream, found)
        more = {"model": "m", "tools": [TOOL], "stream": stream}
        first = response_of(await found.ask(PATH, {**more, "input": "weather in Rome?"}))
        call = next(item for item in first["output"] if item["type"] == "function_call")
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain, 9 degrees"}
        body = {**more, "input": [result], "previous_response_id": first["id"]}
        got = await found.ask(PATH, body, "x-pointsman-strict: 1")
        response_of(got)
        assert "x-pointsman-warnings" not in got.headers, "nothing of what we gave is lost"
        told = bodies(server)[-1]
        assert results(upstream, told) == ["rain, 9 degrees"]
        for word in ("weather in Rome?", upstream_id(call["call_id"]), '"weather"'):
            assert word in words(upstream, told)

    run(scene)


def test_a_stream_whose_end_repeats_no_items_is_remembered_by_its_items() -> None:
    """Some servers leave `output` empty in `response.completed`."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        said = STREAM[RESPONSES]("hello there").split(b"\n\n")
        events = [event for event in said if event]
        last = json.loads(events[-1].split(b"data: ")[1])
        last["response"]["output"] = []
        events[-1] = b"event: response.completed\ndata: " + json.dumps(last).encode()
        server.always(Reply(200, SSE, body=b"\n\n".join([*events, b""])))
        local(server, RESPONSES, found)
        await found.ask(PATH, {"model": "m", "input": "hi", "stream": True})
        body = {
            "model": "m",
            "input": "and now?",
            "previous_response_id": last["response"]["id"],
            "stream": True,
        }
        assert (await found.ask(PATH, body)).status == 200
        told = words(RESPONSES, bodies(server)[-1])
        assert told.index("hi") < told.index("hello there") < told.index("and now?")

    run(scene)


@everywhere
def test_an_answer_that_failed_is_not_remembered(upstream: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        whole = STREAM[upstream]("hello there")
        cut = whole[: whole.index(b"hello") + len("hello there")]
        server.always(Reply(200, SSE, parts=[cut], framing="chunked"))
        local(server, upstream, found)
        got = await found.ask(PATH, {"model": "m", "input": "hi", "stream": True})
        assert b"response.completed" not in got.body
        assert found.plane.responses.size == 0

    run(scene)


@everywhere
def test_a_backend_that_ignores_previous_response_id_never_gets_one_that_nobody_knows(upstream: str) -> None:
    """Ollama takes it, ignores it and answers the last words alone."""

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=WHOLE[upstream]("hello")))
        local(server, upstream, found)
        got = await found.ask(PATH, {"model": "m", "input": "hi", "previous_response_id": "resp_x"})
        assert (got.status, got.json()["error"]["param"]) == (400, "previous_response_id")
        assert "store: false" in got.json()["error"]["message"]
        assert not bodies(server)

    run(scene)


@pytest.mark.parametrize("field", [{"conversation": "conv_1"}, {"prompt": {"id": "pmpt_1"}}])
def test_other_state_of_the_vendor_never_reaches_a_server_that_ignores_it(field: dict[str, Any]) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=WHOLE[RESPONSES]("hello")))
        local(server, RESPONSES, found)
        got = await found.ask(PATH, {"model": "m", "input": "hi", **field})
        assert (got.status, got.json()["error"]["param"]) == (400, next(iter(field)))
        assert (await found.ask(PATH, {"model": "m", "input": "hi", next(iter(field)): None})).status == 200

    run(scene)


def test_what_the_client_wants_kept_nowhere_is_not_remembered() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, CHAT, "one", "two")
        local(server, CHAT, found)
        first = response_of(await found.ask(PATH, {"model": "m", "input": "hi", "store": False}))
        got = await found.ask(PATH, {"model": "m", "input": "on", "previous_response_id": first["id"]})
        assert got.status == 400
        assert found.plane.responses.size == 0

    run(scene)


@pytest.mark.parametrize("body", [{"messages": [{"role": "user", "content": "hi"}]}, {"prompt": "hi"}])
def test_other_protocols_are_not_remembered(body: dict[str, Any]) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=WHOLE[CHAT]("hello")))
        local(server, CHAT, found)
        await found.ask("/v1/chat/completions" if "messages" in body else PATH, {"model": "m", **body})
        assert found.plane.responses.size == 0

    run(scene)


@everywhere
def test_the_memory_can_be_switched_off(upstream: str) -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, "one", "two")
        local(server, upstream, found)
        first = response_of(await found.ask(PATH, {"model": "m", "input": "hi"}))
        got = await found.ask(PATH, {"model": "m", "input": "on", "previous_response_id": first["id"]})
        assert (got.status, got.json()["error"]["param"]) == (400, "previous_response_id")

    run(scene, response_memory_bytes=0)


@everywhere
def test_nobody_goes_on_from_what_another_key_was_given(upstream: str) -> None:
    pepper = b"p"
    keys = [ClientKeySpec(n, f"k{n}", hmac.digest(pepper, b"key-%d" % n, "sha256")) for n in (1, 2)]

    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, upstream, "one", "two", "three")
        box = [spec(server, upstream)]
        found.rules(
            rule("*", "local/box"),
            backends=box,
            client_keys=tuple(keys),
            keys_required=True,
            pepper=SecretBytes(pepper),
        )
        own, other = "authorization: Bearer key-1", "authorization: Bearer key-2"
        first = response_of(await found.ask(PATH, {"model": "m", "input": "hi"}, own))
        on = {"model": "m", "input": "on", "previous_response_id": first["id"]}
        assert (await found.ask(PATH, on, other)).status == 400
        reference = [{"type": "item_reference", "id": first["output"][-1]["id"]}]
        assert (await found.ask(PATH, {"model": "m", "input": reference}, other)).status == 400
        assert (await found.ask(PATH, on, own)).status == 200

    run(scene)


# -- backends that keep responses themselves


def own_service(server: ScriptedUpstream) -> BackendSpec:
    return BackendSpec(key="openai", type="openai", name="", base_url=server.url, allow_http=True)


def test_openai_itself_gets_what_the_client_wrote() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        server.always(Reply(200, JSON, body=WHOLE[RESPONSES]("hello")))
        found.rules(rule("*", "openai"), backends=[own_service(server)])
        first = response_of(await found.ask(PATH, {"model": "m", "input": "hi"}))
        assert found.plane.responses.size == 0, "it keeps them itself"
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}
        body = {"model": "m", "input": [reference], "previous_response_id": first["id"]}
        raw = json.dumps(body).encode()
        await found.ask(PATH, raw)
        assert server.requests[-1].body == raw

    run(scene)


def test_what_the_fallback_said_is_told_to_openai_once_it_is_back() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        with ScriptedUpstream() as other:
            other.always(Reply(200, JSON, body=WHOLE[MESSAGES]("I am the fallback.")))
            fallback = spec(other, MESSAGES)
            found.rules(rule("*", "openai", "local/box"), backends=[own_service(server), fallback])
            server.always(Reply(200, JSON, body=WHOLE[RESPONSES]("I am the first.")))
            first = response_of(await found.ask(PATH, {"model": "m", "input": "one"}))
            server.always(Reply(500, JSON, body=b'{"error":{"message":"away"}}'))
            body = {"model": "m", "input": "two", "previous_response_id": first["id"]}
            second = response_of(await found.ask(PATH, body))
            told = words(MESSAGES, bodies(other)[-1])
            assert [word in told for word in ("one", "I am the first.", "two")] == [True] * 3
            server.always(Reply(200, JSON, body=WHOLE[RESPONSES]("Back.")))
            body = {"model": "m", "input": "three", "previous_response_id": second["id"]}
            third = response_of(await found.ask(PATH, body))
            back = bodies(server)[-1]
            assert "previous_response_id" not in back
            assert "I am the fallback." in words(RESPONSES, back)
            assert "pm1." not in json.dumps(back), "nor what only we can read"
            body = {"model": "m", "input": "four", "previous_response_id": third["id"]}
            response_of(await found.ask(PATH, body))
            assert bodies(server)[-1] == body, "its own it knows itself"

    run(scene)


# -- several processes


def test_a_process_asks_the_others_for_what_it_does_not_remember() -> None:
    async def scene(server: ScriptedUpstream, found: Plane) -> None:
        scripted(server, CHAT, "one", "two", "three")
        local(server, CHAT, found)
        first = response_of(await found.ask(PATH, {"model": "m", "input": "hi"}))
        with tempfile.TemporaryDirectory(prefix="pm-") as folder:
            there, here = found.plane.responses, ResponseMemory(1_000_000, 60.0)
            other = Siblings(folder, 1, there, Holders(), Conversations())
            await other.start()
            found.plane.responses = here
            on = {"model": "m", "input": "on", "previous_response_id": first["id"]}
            assert (await found.ask(PATH, on)).status == 400
            found.plane.siblings = Siblings(folder, 0, here, Holders(), Conversations())
            await found.plane.siblings.start()
            response_of(await found.ask(PATH, on))
            assert "one" in words(CHAT, bodies(server)[-1])
            await found.plane.siblings.stop()
            await other.stop()
            response_of(await found.ask(PATH, on))
            await asyncio.sleep(0)

    run(scene)
