"""What a client is told of a loss names the place in the client's own body, however its messages were put together."""

from __future__ import annotations

from typing import Any

import pytest
import uvloop

from pointsman.practice import Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Got, plane, rule
from .test_translation import PATHS, ask, one

SOUND = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
HI = {"role": "user", "content": "hi"}
SYSTEM = {"role": "system", "content": "be short"}
SEEN = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
BY_ID = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "nope"}}
OWN_CALL = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
ITEM = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
STRICT_TOOL = {"name": "f", "strict": True, "parameters": {"type": "object", "properties": {}}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def words(value: str) -> dict[str, Any]:
    return {"type": "input_text", "text": value}


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    (CHAT, MESSAGES, {"messages": [user(SOUND)]}, "messages[0].content[0]"),
    (CHAT, MESSAGES, {"messages": [SYSTEM, user(text("a"), SOUND)]}, "messages[1].content[1]"),
    (
        CHAT,
        MESSAGES,
        {"messages": [SYSTEM, SYSTEM, HI, {"role": "assistant", "content": "x"}, user(SOUND)]},
        "messages[4].content[0]",
    ),
    (CHAT, MESSAGES, {"messages": [HI, user(text(""), SOUND)]}, "messages[1].content[1]"),
    (CHAT, MESSAGES, {"functions": [{"name": "f"}], "function_call": {"name": "g"}, "n": 2}, "n"),
    (RESPONSES, MESSAGES, {"input": [user(SOUND)]}, "input[0].content[0]"),
    (RESPONSES, MESSAGES, {"input": [SYSTEM, HI, user(words("a"), SOUND)]}, "input[2].content[1]"),
    (
        RESPONSES,
        CHAT,
        {
            "input": [
                SYSTEM,
                HI,
                ITEM,
                {
                    "type": "function_call_output",
                    "call_id": "c1",
                    "output": [words("a"), {"type": "input_file", "file_url": "https://example.com/a.pdf"}],
                },
            ]
        },
        "input[3].output[1]",
    ),
    (RESPONSES, MESSAGES, {"tools": [{"type": "file_search"}]}, "tools[0]"),
    (MESSAGES, CHAT, {"messages": [user(BY_ID)]}, "messages[0].content[0]"),
    (MESSAGES, RESPONSES, {"messages": [HI, HI, user(text("a"), BY_ID)]}, "messages[2].content[1]"),
    (
        MESSAGES,
        CHAT,
        {
            "messages": [
                SYSTEM,
                HI,
                {"role": "assistant", "content": [OWN_CALL]},
                user(
                    text("first"),
                    {"type": "tool_result", "tool_use_id": "c1", "content": [text("a"), BY_ID]},
                ),
            ]
        },
        "messages[3].content[1].content[1]",
    ),
]


@pytest.mark.parametrize(("client", "upstream", "more", "path"), REFUSED)
def test_a_400_names_the_place_in_the_clients_own_body(
    client: str, upstream: str, more: dict[str, Any], path: str
) -> None:
    got, received = one(client, upstream, Reply(500), {**ask(client), **more})
    assert got.status == 400, got.body
    error = got.json()["error"]
    assert error["message"].startswith(f"'{path}'"), error
    if client != MESSAGES:
        assert error["param"] == path
    assert received == []


TOLD: list[tuple[str, str, dict[str, Any], str]] = [
    (CHAT, MESSAGES, {"messages": [SYSTEM, HI, user(SEEN)]}, "dropped:messages[2].content[0].image_url.detail"),
    (
        CHAT,
        MESSAGES,
        {"messages": [SYSTEM, {"role": "user", "name": "ann", "content": "hi"}]},
        "dropped:messages[1].name",
    ),
    (
        CHAT,
        RESPONSES,
        {"messages": [SYSTEM, HI, {"role": "assistant", "tool_calls": [CALL]}, HI]},
        "repaired:messages[2].tool_calls[0]",
    ),
    (
        CHAT,
        RESPONSES,
        {"messages": [SYSTEM, HI, {"role": "tool", "tool_call_id": "c9", "content": "x"}, HI]},
        "repaired:messages[2]",
    ),
    (CHAT, MESSAGES, {"temperature": 2}, "changed:temperature"),
    (CHAT, MESSAGES, {"reasoning_effort": "high", "max_tokens": 500}, "dropped:reasoning_effort"),
    (CHAT, MESSAGES, {"reasoning": {"effort": "high"}, "max_tokens": 500}, "dropped:reasoning.effort"),
    (RESPONSES, CHAT, {"input": [HI, ITEM, HI]}, "repaired:input[1]"),
    (RESPONSES, CHAT, {"input": [HI, {"type": "web_search_call", "id": "w"}, HI]}, "changed:input[1]"),
    (
        RESPONSES,
        MESSAGES,
        {"input": [HI, user({"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"})]},
        "dropped:input[1].content[0].detail",
    ),
    (
        MESSAGES,
        CHAT,
        {
            "messages": [
                SYSTEM,
                HI,
                user({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "citations": {"enabled": True}}),
            ]
        },
        "dropped:messages[2].content[0].citations",
    ),
    (MESSAGES, CHAT, {"messages": [HI, {"role": "assistant", "content": [OWN_CALL]}, HI]}, "repaired:messages[1].content[0]"),
    (MESSAGES, CHAT, {"output_config": {"effort": "high"}}, "dropped:output_config.effort"),
]  # fmt: skip


@pytest.mark.parametrize(("client", "upstream", "more", "warning"), TOLD)
def test_a_warning_names_the_place_in_the_clients_own_body(
    client: str, upstream: str, more: dict[str, Any], warning: str
) -> None:
    got, _ = one(client, upstream, Reply(200, JSON, body=WHOLE[upstream]("x")), {**ask(client), **more})
    assert got.status == 200, got.body
    assert warning in got.headers["x-pointsman-warnings"].split(",")
    place = warning.partition(":")[2]
    got, received = one(client, upstream, Reply(500), {**ask(client), **more}, "x-pointsman-strict: 1")
    assert got.status == 400
    assert got.json()["error"]["message"].startswith(f"'{place}'"), got.body
    assert received == []


@pytest.mark.parametrize(
    ("client", "field"),
    [(CHAT, "max_tokens"), (CHAT, "max_completion_tokens"), (RESPONSES, "max_output_tokens")],
)
def test_a_limit_that_is_too_high_is_named_as_the_client_wrote_it(client: str, field: str) -> None:
    async def main() -> Got:
        with ScriptedUpstream() as server:
            server.always(Reply(200, SSE, parts=[STREAM[MESSAGES]("x")], framing="chunked"))
            async with plane() as found:
                backend = BackendSpec("anthropic", "anthropic", "", server.url, dialects=(MESSAGES,))
                found.rules(rule("*", "anthropic=claude-sonnet-4-5"), backends=[backend])
                return await found.ask(PATHS[client], ask(client, **{field: 10**9}))

    assert uvloop.run(main()).headers["x-pointsman-warnings"] == f"changed:{field}"
