"""Backends that give the same ids again, and clients that tell turns apart by ids."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.vendor_bodies import chat, messages, responses
from tests.vendor_bodies.wire import encoded

from .plane import Plane
from .test_translation import PATHS, across, ask, stage

CALL = Call("f", {"a": 1})


def ids(value: Any) -> list[str]:
    """Every id in an answer, of the answer, its items and its calls, each once."""
    found: list[str] = []
    if isinstance(value, dict):
        found = [one for key, one in value.items() if key in ("id", "call_id") and isinstance(one, str)]
        value = list(value.values())
    if isinstance(value, list):
        found += [one for inner in value for one in ids(inner)]
    return list(dict.fromkeys(found))


def data(raw: bytes) -> list[Any]:
    lines = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


@across
@pytest.mark.parametrize("streamed", [True, False])
def test_no_id_comes_twice_though_the_backend_repeats_all_of_them(
    client: str, upstream: str, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pointsman.translation")

    async def main() -> list[list[str]]:
        with ScriptedUpstream() as server:
            whole = Reply(200, JSON, body=WHOLE[upstream](CALL))
            server.always(
                Reply(200, SSE, parts=[STREAM[upstream](CALL)], framing="chunked") if streamed else whole
            )
            async with stage(server, upstream) as found:
                answers = []
                for _ in range(3):
                    got = await found.ask(PATHS[client], ask(client, stream=streamed))
                    answers.append(ids(data(got.body) if streamed else got.json()))
                return answers

    answers = uvloop.run(main())
    told = [one for answer in answers for one in answer]
    assert len(answers[0]) >= 2
    assert len(told) == len(set(told))
    upstreams = ids(json.loads(WHOLE[upstream](CALL)))
    assert not set(told) & set(upstreams)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert upstreams[0] in said


@pytest.mark.parametrize("client", [MESSAGES, RESPONSES])
@pytest.mark.parametrize("own", ["call_0", "functions.f:0", "123456789"])
def test_two_turns_with_one_call_id_stay_two_and_the_backend_knows_the_first(client: str, own: str) -> None:
    function = {"name": "f", "arguments": "{}"}
    message = {"content": None, "tool_calls": [{"id": own, "type": "function", "function": function}]}

    async def main() -> list[Received]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=encoded(chat.whole(message, "tool_calls"))))
            async with stage(server, CHAT) as found:
                turns: list[Any] = [{"role": "user", "content": "hi"}]
                for _ in range(3):
                    turns += await turn(found, client, turns)
            return [request for request in server.requests if request.method == "POST"]

    requests = uvloop.run(main())
    sent = requests[-1].json()["messages"]
    called = [message["tool_calls"][0]["id"] for message in sent if message["role"] == "assistant"]
    answered = [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert called == answered
    assert called[0] == own or (own == "functions.f:0" and called[0].startswith("call_"))
    assert len(set(called)) == 2
    for request in requests:  # what went before stays as it was
        assert sent[: len(request.json()["messages"])] == request.json()["messages"]


LONG = ["chatcmpl-tool-" + "0123456789abcdef" * 2, "toolu_vrtx_01" + "A" * 24, "x" * 64]
BODIES = {
    CHAT: lambda own: chat.whole(
        {"content": None, "tool_calls": [chat_call(one) for one in own]}, "tool_calls"
    ),
    MESSAGES: lambda own: messages.whole([block(one) for one in own], "tool_use"),
    RESPONSES: lambda own: responses.response([item(at, one) for at, one in enumerate(own)]),
}


def chat_call(own: str) -> dict[str, Any]:
    return {"id": own, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def block(own: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": own, "name": "f", "input": {}}


def item(at: int, own: str) -> dict[str, Any]:
    call = {"type": "function_call", "call_id": own, "name": "f", "arguments": "{}"}
    return {"id": f"fc_{at}", "status": "completed", **call}


def returned(client: str, upstream: str, own: list[str]) -> tuple[list[str], list[str]]:
    """The ids of a turn's calls as its client got them, and as the backend gets them again."""

    async def main() -> tuple[list[Any], Any]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=encoded(BODIES[upstream](own))))
            async with stage(server, upstream) as found:
                turns: list[Any] = [{"role": "user", "content": "hi"}]
                turns += await turn(found, client, turns)
                await turn(found, client, turns)
            return turns, [request for request in server.requests if request.method == "POST"][-1].json()

    turns, sent = uvloop.run(main())
    return called_in(turns), called_in(sent.get("messages") or sent["input"])


def called_in(turns: list[Any]) -> list[str]:
    """Ids of the calls in a history of any protocol; those of their results are the same."""
    inside = [one for turn in turns if isinstance(turn.get("content"), list) for one in turn["content"]]
    all_of = [*turns, *inside]
    called = [one["id"] for turn in turns for one in turn.get("tool_calls") or ()]
    called += [
        one.get("call_id") or one["id"] for one in all_of if one.get("type") in ("function_call", "tool_use")
    ]
    answered = [
        found
        for one in all_of
        for key in ("tool_call_id", "tool_use_id", "call_id")
        if (found := one.get(key)) and one.get("type") != "function_call"
    ]
    assert called == answered
    return called


@across
@pytest.mark.parametrize("own", LONG, ids=["vLLM", "Vertex", "64"])
def test_an_id_that_is_too_long_for_a_client_reaches_its_backend_again(
    client: str, upstream: str, own: str
) -> None:
    told, back = returned(client, upstream, [own])
    assert len(told[0]) <= 40
    assert back == [own]


@across
def test_two_calls_of_one_answer_with_one_id_are_two(client: str, upstream: str) -> None:
    told, back = returned(client, upstream, ["same", "same"])
    assert len(set(told)) == 2
    assert len(set(back)) == 2


def test_the_same_search_id_in_every_answer_is_another_one_each_time_and_comes_back() -> None:
    action = {"type": "search", "query": "q", "sources": [{"type": "url", "url": "https://a.example/"}]}
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": action}
    body = encoded(responses.response([search, responses.message("found")]))

    async def main() -> tuple[list[Any], Any]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=body))
            async with stage(server, RESPONSES) as found:
                turns: list[Any] = [{"role": "user", "content": "hi"}]
                for _ in range(2):
                    got = await found.ask(PATHS[MESSAGES], ask(MESSAGES, messages=turns))
                    turns += [{"role": "assistant", "content": got.json()["content"]}]
                    turns += [{"role": "user", "content": "more"}]
                await found.ask(PATHS[MESSAGES], ask(MESSAGES, messages=turns))
            return turns, server.requests[-1].json()

    turns, sent = uvloop.run(main())
    first, second = (turn["content"][:2] for turn in turns if turn["role"] == "assistant")
    assert first[0]["id"] == first[1]["tool_use_id"]
    assert first[0]["id"] != second[0]["id"]
    assert "q" in json.dumps(sent)
    assert "srvtoolu_pm" not in json.dumps(sent)


async def turn(found: Plane, client: str, turns: list[Any]) -> list[Any]:
    """Ask, and run what was called: what the client adds to its history."""
    key = "input" if client == RESPONSES else "messages"
    answer = (await found.ask(PATHS[client], ask(client, **{key: turns}))).json()
    if client == CHAT:
        message = answer["choices"][0]["message"]
        return [
            message,
            *(
                {"role": "tool", "tool_call_id": one["id"], "content": "done"}
                for one in message["tool_calls"]
            ),
        ]
    if client == RESPONSES:
        called = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": one, "output": "done"} for one in called]
        return [*answer["output"], *results]
    called = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": one, "content": "done"} for one in called]
    return [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
