"""Backends that give the same ids again, and clients that tell turns apart by ids."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.vendor_bodies import chat
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


async def turn(found: Plane, client: str, turns: list[Any]) -> list[Any]:
    """Ask, and run what was called: what the client adds to its history."""
    key = "messages" if client == MESSAGES else "input"
    answer = (await found.ask(PATHS[client], ask(client, **{key: turns}))).json()
    if client == RESPONSES:
        called = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": one, "output": "done"} for one in called]
        return [*answer["output"], *results]
    called = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": one, "content": "done"} for one in called]
    return [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
