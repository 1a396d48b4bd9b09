"""Tools that a backend runs, on the wire: which protocol is spoken where they are asked for, what is sent of them, and
what their calls and results become in a history (docs/protocols/tools.md#tools-that-a-server-runs)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from pointsman.secret import Secret
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE

from .plane import Got, plane, rule
from .test_translation import PATHS, ask, one

SPOKEN = {path: protocol for protocol, path in PATHS.items()}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
CHAT_TOOL = {"type": "function", "function": FUNCTION}
FLAT_TOOL = {"type": "function", **FUNCTION}
OWN_TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
OWN_SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def vendor(
    kind: str,
    client: str,
    model: str,
    more: dict[str, Any],
    *headers: str,
    knows: tuple[str, ...] = (CHAT, RESPONSES, MESSAGES),
) -> tuple[Got, list[tuple[str, dict[str, Any]]]]:
    """A request to the vendor's own service (a server in its place): the answer, and (protocol, body) of what came."""

    def answer(received: Received) -> Reply:
        spoken = SPOKEN.get(received.path)
        if spoken not in knows:
            return Reply(404, JSON, body=b'{"detail":"Not Found"}')
        if json.loads(received.body).get("stream"):
            return Reply(200, SSE, parts=[STREAM[spoken]("hello")], framing="chunked")
        return Reply(200, JSON, body=WHOLE[spoken]("hello"))

    async def main() -> tuple[Got, list[tuple[str, dict[str, Any]]]]:
        with ScriptedUpstream() as server:
            server.always(answer)
            backend = BackendSpec(kind, kind, "", server.url, api_key=Secret("sk-1"), allow_http=True)
            async with plane() as found:
                found.rules(rule("*", f"{kind}={model}"), backends=[backend])
                got = await found.ask(PATHS[client], {**ask(client), **more}, *headers)
            sent = [
                (SPOKEN[r.path], json.loads(r.body))
                for r in server.requests
                if r.method == "POST" and SPOKEN.get(r.path) in knows
            ]
            return got, sent

    return uvloop.run(main())


# -- which protocol


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-5.4-mini", "gpt-4.1"])
def test_claude_codes_web_search_reaches_openai_by_responses(model: str) -> None:
    more = {"tools": [OWN_SEARCH], "tool_choice": {"type": "tool", "name": "web_search"}}
    got, sent = vendor("openai", MESSAGES, model, more)
    ((protocol, body),) = sent
    assert protocol == RESPONSES
    assert body["tools"] == [{"type": "web_search"}]
    assert body["tool_choice"] == {"type": "web_search"}
    assert "x-pointsman-warnings" not in got.headers


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-5.2", "gpt-6-sol"])
@pytest.mark.parametrize(
    "more", [{"tools": [CHAT_TOOL]}, {"functions": [FUNCTION]}], ids=["tools", "functions"]
)
def test_a_function_of_a_chat_client_reaches_gpt_5_6_by_responses(model: str, more: dict[str, Any]) -> None:
    got, sent = vendor("openai", CHAT, model, more)
    ((protocol, body),) = sent
    assert (got.status, protocol) == (200, RESPONSES)
    assert body["tools"][0]["name"] == "f"
    assert got.json()["object"] == "chat.completion"
    assert got.json()["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("gpt-5.6", {}),
        ("gpt-5.6", {"tools": [CHAT_TOOL], "reasoning_effort": "none"}),
        ("gpt-5.6", {"tools": []}),
        ("gpt-4.1", {"tools": [CHAT_TOOL]}),
        ("gpt-4o-search-preview", {"web_search_options": {}}),
    ],
)
def test_chat_goes_to_chat_as_it_is_where_that_takes_it(model: str, more: dict[str, Any]) -> None:
    _, sent = vendor("openai", CHAT, model, more)
    ((protocol, body),) = sent
    assert protocol == CHAT
    assert body == {**ask(CHAT), **more, "model": model}


@pytest.mark.parametrize("model", ["o3-pro", "gpt-5.3-codex"])
def test_a_model_that_only_responses_has_is_reached_from_chat(model: str) -> None:
    got, sent = vendor("openai", CHAT, model, {})
    assert (got.status, [protocol for protocol, _ in sent]) == (200, [RESPONSES])


@pytest.mark.parametrize(
    "more",
    [
        {"web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}},
        {"tools": [{"type": "web_search", "user_location": {"type": "approximate", "city": "Rome"}}]},
    ],
    ids=["options", "a tool"],
)
def test_a_chat_clients_search_reaches_openai_with_a_flat_place(more: dict[str, Any]) -> None:
    _, sent = vendor("openai", CHAT, "gpt-5.6", more)
    ((protocol, body),) = sent
    assert protocol == RESPONSES
    assert body["tools"] == [{"type": "web_search", "user_location": {"type": "approximate", "city": "Rome"}}]


def test_a_stand_in_without_responses_gets_chat_after_all() -> None:
    got, sent = vendor("openai", CHAT, "gpt-5.6", {"tools": [CHAT_TOOL]}, knows=(CHAT,))
    assert (got.status, [protocol for protocol, _ in sent]) == (200, [CHAT])


def test_a_body_that_only_its_vendor_understands_goes_as_it_is() -> None:
    strange = {"tools": [CHAT_TOOL], "messages": [{"role": "user", "content": [{"type": "hologram"}]}]}
    _, sent = vendor("openai", CHAT, "gpt-5.6", strange)
    assert [protocol for protocol, _ in sent] == [CHAT]


# -- settings of a search


def search(body: dict[str, Any]) -> dict[str, Any]:
    (tool,) = body["tools"]
    found: dict[str, Any] = tool
    return found


def test_a_search_of_messages_keeps_its_settings_toward_openai() -> None:
    place = {"type": "approximate", "city": "Rome", "country": "IT", "timezone": "Europe/Rome"}
    tool = {**OWN_SEARCH, "allowed_domains": ["a.org", "b.org"], "max_uses": 3, "user_location": place}
    got, sent = vendor("openai", MESSAGES, "gpt-5.6", {"tools": [tool]})
    body = sent[0][1]
    assert search(body) == {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.org", "b.org"]},
        "user_location": place,
    }
    assert body["max_tool_calls"] == 3
    assert "x-pointsman-warnings" not in got.headers


@pytest.mark.parametrize("version", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_a_search_of_responses_keeps_its_settings_toward_anthropic(version: str) -> None:
    tool = {
        "type": version,
        "filters": {"allowed_domains": ["a.org"]},
        "user_location": {"type": "approximate", "country": "IT"},
        "search_context_size": "high",
        "external_web_access": False,
    }
    more = {"tools": [tool], "max_tool_calls": 2, "tool_choice": {"type": version}}
    got, sent = vendor("anthropic", RESPONSES, "claude-sonnet-4-6", more)
    body = sent[0][1]
    assert search(body) == {
        **OWN_SEARCH,
        "max_uses": 2,
        "allowed_domains": ["a.org"],
        "user_location": {"type": "approximate", "country": "IT"},
    }
    assert body["tool_choice"] == {"type": "tool", "name": "web_search"}
    told = got.headers["x-pointsman-warnings"].split(",")
    assert told == ["dropped:tools[0].search_context_size", "dropped:tools[0].external_web_access"]


def test_domains_that_a_search_cannot_leave_out_are_a_400_that_names_them() -> None:
    got, sent = vendor(
        "openai", MESSAGES, "gpt-5.6", {"tools": [{**OWN_SEARCH, "blocked_domains": ["a.org"]}]}
    )
    assert (got.status, sent) == (400, [])
    assert got.json()["error"]["message"].startswith("'tools[0].blocked_domains'")
    got, sent = vendor(
        "openai", MESSAGES, "gpt-4o-search-preview", {"tools": [{**OWN_SEARCH, "allowed_domains": ["a.org"]}]}
    )
    assert got.json()["error"]["message"].startswith("'tools[0].allowed_domains'")


@pytest.mark.parametrize(
    ("client", "tool", "path"),
    [
        (
            RESPONSES,
            {"type": "web_search", "filters": {"allowed_domains": "a.org"}},
            "tools[0].filters.allowed_domains",
        ),
        (RESPONSES, {"type": "web_search", "search_context_size": "huge"}, "tools[0].search_context_size"),
        (RESPONSES, {"type": "web_search", "user_location": "Rome"}, "tools[0].user_location"),
    ],
)
def test_a_setting_that_nobody_takes_is_a_400_by_its_path(
    client: str, tool: dict[str, Any], path: str
) -> None:
    got, _ = vendor("anthropic", client, "claude-sonnet-4-6", {"tools": [tool]})
    assert got.status == 400
    assert got.json()["error"]["param"] == path


# -- which tool


def test_only_allowed_tools_can_be_called_a_search_too() -> None:
    tools = [FLAT_TOOL, {"type": "web_search"}]
    for listed, left in (
        ([{"type": "function", "name": "f"}], ["f"]),
        ([{"type": "web_search"}], ["web_search"]),
        ([{"type": "web_search_preview"}, {"type": "function", "name": "f"}], ["f", "web_search"]),
    ):
        choice = {"type": "allowed_tools", "mode": "auto", "tools": listed}
        got, sent = vendor(
            "anthropic", RESPONSES, "claude-sonnet-4-6", {"tools": tools, "tool_choice": choice}
        )
        assert [tool["name"] for tool in sent[0][1]["tools"]] == left
        told = got.headers.get("x-pointsman-warnings", "")
        assert ("emulated:tool_choice" in told) is (len(left) < 2)


def test_a_tool_that_was_left_out_is_no_longer_chosen() -> None:
    more = {"tools": [OWN_SEARCH, OWN_TOOL], "tool_choice": {"type": "tool", "name": "web_search"}}
    got, received = one(MESSAGES, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("x")), {**ask(MESSAGES), **more})
    body = json.loads(received[0].body)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert "tool_choice" not in body
    assert got.headers["x-pointsman-warnings"].split(",") == ["dropped:tools[0]", "dropped:tool_choice"]


def test_a_function_that_is_called_like_the_search_is_called_by_its_own_name() -> None:
    mine = {"type": "function", "name": "web_search", "parameters": {"type": "object", "properties": {}}}
    more = {
        "tools": [mine, {"type": "web_search"}],
        "tool_choice": {"type": "function", "name": "web_search"},
    }
    _, sent = vendor("anthropic", RESPONSES, "claude-sonnet-4-6", more)
    body = sent[0][1]
    names = [tool["name"] for tool in body["tools"]]
    assert len(set(names)) == 2
    assert body["tool_choice"] == {"type": "tool", "name": names[0]}
    assert names[0].startswith("web_search_")
