"""mlx_lm never notices that the client of a whole answer left: it is asked for a stream, and the answer is put together
without a loss. And the usage of local streams, which is asked for and hidden."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop

from pointsman.practice import Pause, Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE
from tests.vendor_bodies import chat as bodies
from tests.vendor_bodies.wire import sse

from .plane import Plane, plane, rule
from .test_translation import PATHS, ask, text_of

MLX = {"server": "BaseHTTP/0.6 Python/3.11.7"}


def event(*choices: dict[str, Any], **more: Any) -> bytes:
    return sse(bodies.of_choices(*choices, **more))


def piece(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


USAGE = {
    "prompt_tokens": 15,
    "completion_tokens": 11,
    "total_tokens": 26,
    "prompt_tokens_details": {"cached_tokens": 4},
}
END = [event(usage=USAGE), b"data: [DONE]\n\n"]
TEXT = [
    b": keepalive 1/1\n\n",
    event(piece(role="assistant", content="The wea")),
    event(piece(content="ther \U0001f600"), system_fingerprint="fp1"),
    event(piece(content=".", finish="stop")),
]
CALLS = [
    event(piece(role="assistant", reasoning="Let me ")),
    event(piece(reasoning="see", vendor_member={"a": "b"})),
    event(
        piece(
            tool_calls=[
                {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":'}}
            ]
        )
    ),
    event(piece(tool_calls=[{"index": 0, "function": {"arguments": "1}"}}])),
    event(
        piece(
            tool_calls=[
                {"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
            ]
        )
    ),
    event(piece(finish="tool_calls")),
]
TWO = [
    event(piece(0, role="assistant", content="a"), piece(1, role="assistant", content="b")),
    event(
        {**piece(0, content="A"), "logprobs": {"content": [{"token": "A"}]}},
        piece(1, content="B", finish="length"),
    ),
    event({**piece(0, content="!", finish="stop"), "logprobs": {"content": [{"token": "!"}]}}),
]


def run(work: Any, *events: bytes, known: bool = True, **more: Any) -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:

            def answer(received: Received) -> Reply:
                if received.method == "GET":
                    found = {"object": "list", "data": [{"id": "mm"}]}
                    return Reply(200, {**JSON, **(MLX if known else {})}, body=found)
                if not received.json().get("stream"):
                    return Reply(200, {**JSON, **MLX}, body=WHOLE[CHAT]("whole"))
                return Reply.sse(*events, headers=MLX)

            server.always(answer)
            spec = BackendSpec(
                "local/mlx", "local", "mlx", server.url, dialects=(CHAT, "completions"), **more
            )
            async with plane() as found:
                found.rules(rule("*", "local/mlx"), backends=[spec])
                await found.plane.lists.refresh()
                await work(found, server)

    uvloop.run(main())


def posts(server: ScriptedUpstream) -> list[dict[str, Any]]:
    return [one.json() for one in server.requests if one.method == "POST"]


CASES: dict[str, tuple[list[bytes], Any]] = {
    "text": (TEXT, [
        {"index": 0, "message": {"role": "assistant", "content": "The weather \U0001f600."}, "finish_reason": "stop"},
    ]),
    "calls and members nobody knows": (CALLS, [{
        "index": 0,
        "message": {
            "role": "assistant", "content": None, "reasoning": "Let me see", "vendor_member": {"a": "b"},
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        "finish_reason": "tool_calls",
    }]),
    "two choices with log probabilities": (TWO, [
        {
            "index": 0, "message": {"role": "assistant", "content": "aA!"}, "finish_reason": "stop",
            "logprobs": {"content": [{"token": "A"}, {"token": "!"}]},
        },
        {"index": 1, "message": {"role": "assistant", "content": "bB"}, "finish_reason": "length"},
    ]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_chat_client_gets_the_whole_answer_of_a_stream_without_a_loss(case: str) -> None:
    events, choices = CASES[case]

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], ask(CHAT, n=2) if case.startswith("two") else ask(CHAT))
        assert (got.status, got.headers["content-type"]) == (200, "application/json")
        body = got.json()
        assert body["choices"] == choices
        assert (body["id"], body["object"], body["created"], body["model"]) == (
            "chatcmpl-9",
            "chat.completion",
            1_700_000_000,
            "x",
        )
        assert body["usage"] == USAGE
        (sent,) = posts(server)
        assert sent["stream"] is True
        assert sent["stream_options"] == {"include_usage": True}
        (record,) = await found.recorded()
        assert (record.input_tokens, record.output_tokens, record.cached_tokens) == (15, 11, 4)

    run(work, *events, *END)


@pytest.mark.parametrize("client", [RESPONSES, MESSAGES])
def test_and_so_do_clients_of_other_protocols(client: str) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[client], ask(client))
        assert text_of(client, got.json()) == "The weather \U0001f600."
        assert posts(server)[0]["stream"] is True

    run(work, *TEXT, *END)


def test_completions_too() -> None:
    def said(text: str, finish: str | None = None) -> bytes:
        return event({"index": 0, "text": text, "finish_reason": finish})

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask("/v1/completions", {"model": "m", "prompt": "x", "stream": False})
        body = got.json()
        assert body["choices"] == [{"index": 0, "text": "ab", "finish_reason": "stop"}]
        assert (body["object"], body["usage"]) == ("text_completion", USAGE)
        assert posts(server)[0]["stream"] is True

    run(work, said("a"), said("b", "stop"), *END)


def test_a_client_that_leaves_ends_the_generation() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        asking = asyncio.ensure_future(found.ask(PATHS[CHAT], ask(CHAT)))
        await asyncio.to_thread(server.wait, 2)
        await asyncio.sleep(0.1)
        asking.cancel()
        last = [one for one in server.requests if one.method == "POST"][-1]
        await asyncio.to_thread(server.wait_closed, last, 2.0)

    run(work, *TEXT[:2], Pause(30.0), *END)  # type: ignore[arg-type]


@pytest.mark.parametrize("events", [TEXT[:3], [event(error={"message": "no memory", "code": 500})]])
def test_a_stream_that_fails_or_is_cut_is_no_answer(events: list[bytes]) -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], ask(CHAT))
        assert got.status >= 500
        assert got.json()["error"]["message"]
        assert got.complete

    run(work, *events)


def test_it_is_known_by_its_first_answer_where_it_gave_no_list() -> None:
    async def work(found: Plane, server: ScriptedUpstream) -> None:
        found.plane.backends["local/mlx"].unheeding = None
        for _ in range(2):
            assert (await found.ask(PATHS[CHAT], ask(CHAT))).status == 200
        assert [one.get("stream", False) for one in posts(server)] == [False, True]

    run(work, *TEXT, *END, known=False)


def test_servers_that_notice_are_asked_as_the_client_asked() -> None:
    async def main() -> None:
        with ScriptedUpstream() as server:
            server.always(Reply(200, {**JSON, "server": "llama.cpp"}, body=WHOLE[CHAT]("whole")))
            async with plane() as found:
                found.rules(rule("*", "local/x"), backends=[BackendSpec("local/x", "local", "x", server.url)])
                for _ in range(2):
                    got = await found.ask(PATHS[CHAT], ask(CHAT))
                    assert got.body == WHOLE[CHAT]("whole")
                assert not any(one.get("stream") for one in posts(server))

    uvloop.run(main())


@pytest.mark.parametrize("wants", [None, False, True])
def test_the_usage_of_a_local_chat_stream_is_asked_for_hidden_and_recorded(wants: bool | None) -> None:
    """`pointsman usage` showed `in - out -` for every local stream."""
    more = {} if wants is None else {"stream_options": {"include_usage": wants}}

    async def work(found: Plane, server: ScriptedUpstream) -> None:
        got = await found.ask(PATHS[CHAT], ask(CHAT, stream=True, **more))
        wanted = b"".join([*TEXT, *(END if wants else END[1:])])
        assert got.body == wanted
        assert posts(server)[0]["stream_options"] == {"include_usage": True}
        (record,) = await found.recorded()
        assert (record.input_tokens, record.output_tokens) == (15, 11)

    run(work, *TEXT, *END)
