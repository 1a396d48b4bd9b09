"""`recover_calls`: a call that a local server gives as text is a call for its client, in each protocol, straight and translated,
whole and streamed."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Got, Plane, plane, rule
from .test_rewritten_schemas import tool
from .test_translation import PATHS, ask, spec

EACH = [(client, upstream) for client in PATHS for upstream in PATHS]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "a.py"}}\n</tool_call>'
SAYS = "I look at it.\n\n" + CALL + "\n" + CALL.replace("a.py", "b.py")
NONE = 'They write <tool_call>{"name": "other"}</tool_call>, `' + CALL + "` or <function=read> so."


def saying(upstream: str, text: str) -> Any:
    def reply(received: Received) -> Reply:
        if received.method != "POST" or received.path.startswith("/api/"):
            return Reply(404, JSON, body=b"{}")
        if received.json().get("stream"):
            return Reply(200, SSE, body=STREAM[upstream](text))
        return Reply(200, JSON, body=WHOLE[upstream](text))

    return reply


class Heard(NamedTuple):
    text: str
    calls: list[tuple[str, Any]]
    stop: str


def heard(protocol: str, got: Got, stream: bool) -> Heard:
    """What a client of this protocol makes of it."""
    assert got.status == 200, got.body
    assert got.complete
    if not stream:
        return _whole(protocol, got.json())
    events = [
        json.loads(line[6:])
        for line in got.body.decode().split("\n")
        if line[:6] == "data: " and line[6] == "{"
    ]
    if protocol == RESPONSES:
        return _whole(
            protocol, next(one["response"] for one in events if one["type"] == "response.completed")
        )
    return _chat(events) if protocol == CHAT else _messages(events)


def _whole(protocol: str, body: dict[str, Any]) -> Heard:
    if protocol == CHAT:
        message = body["choices"][0]["message"]
        calls = [one["function"] for one in message.get("tool_calls") or ()]
        told = [(one["name"], json.loads(one["arguments"])) for one in calls]
        return Heard(message["content"] or "", told, body["choices"][0]["finish_reason"])
    if protocol == MESSAGES:
        text = "".join(one["text"] for one in body["content"] if one["type"] == "text")
        told = [(one["name"], one["input"]) for one in body["content"] if one["type"] == "tool_use"]
        return Heard(text, told, body["stop_reason"])
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    told = [(one["name"], json.loads(one["arguments"])) for one in calls]
    return Heard("".join(part["text"] for part in parts), told, "tool_calls" if calls else "stop")


def _chat(events: list[dict[str, Any]]) -> Heard:
    choices = [one["choices"][0] for one in events if one["choices"]]
    text = "".join(one["delta"].get("content") or "" for one in choices)
    calls: dict[int, list[str]] = {}
    for piece in (piece for one in choices for piece in one["delta"].get("tool_calls") or ()):
        known = calls.setdefault(piece["index"], ["", ""])
        known[0] += piece["function"].get("name") or ""
        known[1] += piece["function"].get("arguments") or ""
    stop = next(one["finish_reason"] for one in choices if one["finish_reason"])
    return Heard(text, [(name, json.loads(given)) for name, given in calls.values()], stop)


def _messages(events: list[dict[str, Any]]) -> Heard:
    text, calls = "", list[list[str]]()
    for one in events:
        if one["type"] == "content_block_start" and one["content_block"]["type"] == "tool_use":
            calls.append([one["content_block"]["name"], ""])
        elif one["type"] == "content_block_delta":
            text += one["delta"].get("text", "")
            if "partial_json" in one["delta"]:
                calls[-1][1] += one["delta"]["partial_json"]
    stop = next(one["delta"]["stop_reason"] for one in events if one["type"] == "message_delta")
    return Heard(text, [(name, json.loads(given)) for name, given in calls], stop)


def asked(client: str, stream: bool, **more: Any) -> dict[str, Any]:
    return ask(client, tools=[tool(client, "read", SCHEMA)], stream=stream, **more)


def counted(found: Plane) -> int:
    samples = found.plane.counters.samples()
    return int(samples.get('pointsman_calls_recovered_total{target="local/box:m"}', 0))


@pytest.mark.parametrize(("client", "upstream"), EACH)
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_comes_as_text_is_a_call(client: str, upstream: str, stream: bool) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(saying(upstream, SAYS))
            async with plane() as found:
                found.rules(rule("m", "local/box", recover_calls=True), backends=[spec(server, upstream)])
                got = await found.ask(PATHS[client], asked(client, stream))
                told = heard(client, got, stream)
                assert told.text == "I look at it."
                assert told.calls == [("read", {"path": "a.py"}), ("read", {"path": "b.py"})]
                assert told.stop == ("tool_use" if client == MESSAGES else "tool_calls")
                assert counted(found) == 2
                if not stream:
                    assert "recovered:read" in got.headers["x-pointsman-warnings"]
                record = (await found.recorded())[0]
                assert (record.outcome, record.path) == ("ok", PATHS[client])
                server.always(saying(upstream, NONE))
                told = heard(client, await found.ask(PATHS[client], asked(client, stream)), stream)
                assert (told.text, told.calls) == (NONE, [])
                assert told.stop == ("end_turn" if client == MESSAGES else "stop")
                assert counted(found) == 2

    uvloop.run(main())


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_without_the_switch_or_without_tools_a_straight_answer_is_what_came(
    client: str, stream: bool
) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(saying(client, SAYS))
            async with plane() as found:
                came = (STREAM if stream else WHOLE)[client](SAYS)
                found.rules(rule("m", "local/box"), backends=[spec(server, client)])
                usage = {"stream_options": {"include_usage": True}} if stream and client == CHAT else {}
                assert (await found.ask(PATHS[client], asked(client, stream, **usage))).body == came
                found.rules(rule("m", "local/box", recover_calls=True), backends=[spec(server, client)])
                assert (await found.ask(PATHS[client], ask(client, stream=stream, **usage))).body == came
                assert counted(found) == 0

    uvloop.run(main())


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_does_not_know_the_clients_path_is_asked_there_once_and_not_for_ever(
    client: str, stream: bool
) -> None:
    """Claude Code saw pings only: the gateway asked the same path thousands of times a second."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            known = saying(CHAT, SAYS)
            server.always(lambda r: known(r) if r.path == PATHS[CHAT] else Reply(404, JSON, body=b"{}"))
            async with plane() as found, asyncio.timeout(20):
                found.rules(rule("m", "local/box", recover_calls=True), backends=[spec(server, None)])
                for _ in range(2):
                    told = heard(client, await found.ask(PATHS[client], asked(client, stream)), stream)
                    assert told.calls == [("read", {"path": "a.py"}), ("read", {"path": "b.py"})]
                paths = [one.path for one in server.requests if one.method == "POST"]
                asked_for = [path for path in paths if path.startswith("/v1/")]
                assert asked_for.count(PATHS[client]) == 1, paths
                assert asked_for.count(PATHS[CHAT]) == 2
                for record in await found.recorded(2):
                    assert (record.outcome, record.status) == ("ok", 200)

    uvloop.run(main())


@pytest.mark.parametrize("client", PATHS)
def test_where_no_tool_may_be_called_text_stays_text(client: str) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(saying(CHAT, SAYS))
            async with plane() as found:
                found.rules(rule("m", "local/box", recover_calls=True), backends=[spec(server, CHAT)])
                none: Any = {"type": "none"} if client == MESSAGES else "none"
                got = await found.ask(PATHS[client], asked(client, False, tool_choice=none))
                assert heard(client, got, False)[:2] == (SAYS, [])

    uvloop.run(main())


def test_what_a_cloud_says_goes_as_it_is() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(saying(CHAT, SAYS))
            cloud = BackendSpec("openai/box", "openai", "box", server.url, dialects=(CHAT,), allow_http=True)
            async with plane() as found:
                found.rules(rule("m", "openai/box", recover_calls=True), backends=[cloud])
                got = await found.ask(PATHS[CHAT], asked(CHAT, False))
                assert got.body == WHOLE[CHAT](SAYS)

    uvloop.run(main())


def test_a_name_that_was_shortened_and_free_text_come_back_as_the_client_has_them() -> None:
    """Of tools in a group, and of tools that take text, the model sees another form."""

    async def main() -> None:
        with ScriptedUpstream() as server:
            text = '<tool_call>{"name": "patch", "arguments": {"input": "*** Begin"}}</tool_call>'
            server.always(saying(CHAT, text))
            async with plane() as found:
                found.rules(rule("m", "local/box", recover_calls=True), backends=[spec(server, CHAT)])
                body = ask(RESPONSES, tools=[{"type": "custom", "name": "patch"}])
                items = (await found.ask(PATHS[RESPONSES], body)).json()["output"]
                assert [(one["type"], one["name"], one["input"]) for one in items] == [
                    ("custom_tool_call", "patch", "*** Begin")
                ]
                long = "n" * 70
                sent = ask(MESSAGES, tools=[tool(MESSAGES, long, SCHEMA)])
                await found.ask(PATHS[MESSAGES], sent)
                short = server.requests[-1].json()["tools"][0]["function"]["name"]
                assert short != long
                server.always(saying(CHAT, CALL.replace("read", short)))
                told = heard(MESSAGES, await found.ask(PATHS[MESSAGES], sent), False)
                assert told.calls == [(long, {"path": "a.py"})]

    uvloop.run(main())
