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
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, SSE, STREAM, WHOLE, Call
from tests.vendor_bodies import responses
from tests.vendor_bodies.wire import named

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


# -- reasoning that led to a server's call

REASONED = {
    "id": "resp_1", "object": "response", "model": "m", "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "enc1"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed",
         "action": {"type": "search", "query": "rome", "sources": [{"type": "url", "url": "https://a.org/"}]}},
        {"type": "web_search_call", "id": "ws_2", "status": "completed",
         "action": {"type": "open_page", "url": "https://a.org/x"}},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "enc2"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "So it is.", "annotations": []}]},
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}  # fmt: skip


def conversation(
    client: str,
    stream: bool,
    answer: dict[str, Any],
    again: Any,
    kind: str = "openai",
    model: str = "gpt-5.6",
) -> dict[str, Any]:
    """Two turns: `answer` first, then what `again` makes of it. What the backend gets the second time."""

    async def main() -> dict[str, Any]:
        with ScriptedUpstream() as server:
            whole = Reply(200, JSON, body=json.dumps(answer).encode())
            streamed = (
                Reply(200, SSE, parts=[named(*responses.told(answer["output"]))], framing="chunked")
                if stream
                else whole
            )
            server.script(streamed)
            spoken = RESPONSES if kind == "openai" else MESSAGES
            server.always(Reply(200, JSON, body=WHOLE[spoken]("ok")))
            backend = BackendSpec(
                kind, kind, "", server.url, api_key=Secret("sk-1"), allow_http=True, dialects=(spoken,)
            )
            async with plane() as found:
                found.rules(rule("*", f"{kind}={model}"), backends=[backend])
                first = await found.ask(PATHS[client], ask(client, stream=stream))
                assert first.status == 200, first.body
                body = again(first)
                second = await found.ask(PATHS[client], body)
                assert second.status == 200, second.body
            found_body: dict[str, Any] = json.loads(
                [r for r in server.requests if r.method == "POST"][-1].body
            )
            return found_body

    return uvloop.run(main())


def messages_again(first: Got, drop: tuple[str, ...] = ()) -> dict[str, Any]:
    if first.headers["content-type"].startswith("text/event-stream"):
        blocks = streamed_blocks(first.body)
    else:
        blocks = first.json()["content"]
    kept = [block for block in blocks if block["type"] not in drop]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": kept},
        {"role": "user", "content": "go on"},
    ]
    return {"model": "m", "max_tokens": 100, "messages": turns}


def streamed_blocks(body: bytes) -> list[dict[str, Any]]:
    """As the vendor's SDK puts them together."""
    blocks: list[dict[str, Any]] = []
    texts: dict[int, str] = {}
    for line in body.decode().splitlines():
        if not line.startswith("data: "):
            continue
        event = json.loads(line.removeprefix("data: "))
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            if delta["type"] == "input_json_delta":
                texts[event["index"]] = texts.get(event["index"], "") + delta["partial_json"]
                block["input"] = (
                    json.loads(texts[event["index"]] or "{}") if closed(texts[event["index"]]) else {}
                )
            elif delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            else:
                key = "text" if delta["type"] == "text_delta" else "thinking"
                block[key] += delta[key]
    return blocks


def closed(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_search_comes_back_to_openai_between_its_reasoning(stream: bool) -> None:
    body = conversation(MESSAGES, stream, REASONED, messages_again)
    kinds = [(item["type"], item.get("id")) for item in body["input"]]
    assert kinds == [
        ("message", None), ("reasoning", "rs_1"), ("web_search_call", "ws_1"), ("web_search_call", "ws_2"),
        ("reasoning", "rs_2"), ("message", None), ("message", None),
    ]  # fmt: skip
    assert body["input"][2] == REASONED["output"][1]  # type: ignore[index]
    assert body["input"][3] == REASONED["output"][2]  # type: ignore[index]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_reasoning_that_lost_its_search_is_left_out(stream: bool) -> None:
    drop = ("server_tool_use", "web_search_tool_result")
    body = conversation(MESSAGES, stream, REASONED, lambda first: messages_again(first, drop))
    assert [item.get("id") for item in body["input"] if item["type"] == "reasoning"] == ["rs_2"]
    assert not any(item["type"] == "web_search_call" for item in body["input"])


def test_a_search_that_lost_its_reasoning_is_told_in_words() -> None:
    body = conversation(MESSAGES, False, REASONED, lambda first: messages_again(first, ("thinking",)))
    assert not any(item["type"] in ("reasoning", "web_search_call") for item in body["input"])
    assert '<block type="web_search_call">' in json.dumps(body).replace('\\"', '"')
    assert "https://a.org/" in json.dumps(body)


def chat_again(first: Got) -> dict[str, Any]:
    said = first.json()["choices"][0]["message"]
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}, said, {"role": "user", "content": "go on"}],
    }


def test_a_chat_client_never_sends_reasoning_without_its_search() -> None:
    body = conversation(CHAT, False, REASONED, chat_again)
    assert [item.get("id") for item in body["input"] if item["type"] == "reasoning"] == ["rs_2"]


SEARCHED = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "t1", "signature": "s1"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rome"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "thinking", "thinking": "t2", "signature": "s2"},
        {"type": "text", "text": "So it is."},
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip


def responses_again(first: Got) -> dict[str, Any]:
    return {
        "model": "m",
        "input": [
            {"role": "user", "content": "hi"},
            *first.json()["output"],
            {"role": "user", "content": "go on"},
        ],
    }


@pytest.mark.parametrize(("client", "again"), [(RESPONSES, responses_again), (CHAT, chat_again)])
def test_thinking_that_led_to_anthropics_search_does_not_come_back_alone(client: str, again: Any) -> None:
    body = conversation(client, False, SEARCHED, again, "anthropic", "claude-opus-4-8")
    thoughts = [
        block for message in body["messages"] for block in message["content"] if block["type"] == "thinking"
    ]
    assert thoughts == [{"type": "thinking", "thinking": "t2", "signature": "s2"}]


# -- tools that the client runs


ACTIONS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    # type of the tool: (what the model says, the item's key, what stands there)
    "local_shell": (
        {"action": {"type": "exec", "command": ["ls", "-l"]}},
        "action",
        {"type": "exec", "command": ["ls", "-l"], "env": {}},
    ),
    "shell": ({"action": {"commands": ["ls"]}}, "action", {"commands": ["ls"]}),
    "apply_patch": (
        {"operation": {"type": "delete_file", "path": "a"}},
        "operation",
        {"type": "delete_file", "path": "a"},
    ),
}


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ACTIONS)
def test_a_call_of_the_clients_shell_comes_back_as_its_own_item(
    kind: str, stream: bool, upstream: str
) -> None:
    given, key, wanted = ACTIONS[kind]
    call = Call(kind, given, id="call_1")
    reply = (
        Reply(200, SSE, parts=[STREAM[upstream](call)], framing="chunked")
        if stream
        else Reply(200, JSON, body=WHOLE[upstream](call))
    )
    got, received = one(RESPONSES, upstream, reply, ask(RESPONSES, stream=stream, tools=[{"type": kind}]))
    (tool,) = json.loads(received[0].body)["tools"]
    assert (tool["function"] if upstream == CHAT else tool)["name"] == kind
    if stream:
        events = [
            json.loads(line[6:]) for line in got.body.decode().splitlines() if line.startswith("data: {")
        ]
        item = [e["item"] for e in events if e["type"] == "response.output_item.done"][-1]
        added = [e["item"] for e in events if e["type"] == "response.output_item.added"][-1]
        assert (added["type"], added["call_id"]) == (item["type"], item["call_id"])
        assert not any("function_call" in e["type"] for e in events)
    else:
        item = got.json()["output"][-1]
    assert (item["type"], item[key], item["status"]) == (f"{kind}_call", wanted, "completed")
    again = {
        "model": "m",
        "input": [item, {"type": f"{kind}_call_output", "call_id": item["call_id"], "output": "a.txt"}],
        "tools": [{"type": kind}],
    }
    _, received = one(RESPONSES, CHAT, Reply(200, JSON, body=WHOLE[CHAT]("x")), again)
    messages = json.loads(received[0].body)["messages"]
    assert json.loads(messages[0]["tool_calls"][0]["function"]["arguments"]) == {key: wanted}
    assert messages[1]["content"] == "a.txt"


def test_arguments_that_are_no_shells_come_back_as_a_function_call() -> None:
    reply = Reply(200, JSON, body=WHOLE[CHAT](Call("local_shell", {"action": {"cmd": "ls"}}, id="call_1")))
    got, _ = one(RESPONSES, CHAT, reply, ask(RESPONSES, tools=[{"type": "local_shell"}]))
    (item,) = got.json()["output"]
    assert (item["type"], json.loads(item["arguments"])) == ("function_call", {"action": {"cmd": "ls"}})


def test_a_function_of_that_name_is_the_clients_own() -> None:
    mine = {"type": "function", "name": "shell", "parameters": {"type": "object", "properties": {}}}
    reply = Reply(200, JSON, body=WHOLE[CHAT](Call("shell", {"action": {"commands": []}}, id="call_1")))
    got, _ = one(RESPONSES, CHAT, reply, ask(RESPONSES, tools=[mine]))
    assert got.json()["output"][0]["type"] == "function_call"


def test_a_shell_in_the_vendors_container_is_refused() -> None:
    tool = {"type": "shell", "environment": {"type": "container_auto"}}
    got, received = one(RESPONSES, CHAT, Reply(500), ask(RESPONSES, tools=[tool]))
    assert (got.status, got.json()["error"]["param"], received) == (400, "tools[0]", [])


# -- free text in a stream of Messages

FREE = 'say "hi"\n\u00e9 \U0001f600 \\ end'


@pytest.mark.parametrize("pieces", [[FREE], list(FREE), []], ids=["at once", "by characters", "nothing"])
def test_a_call_of_free_text_is_json_for_a_client_of_messages(pieces: list[str]) -> None:
    reply = Reply(200, SSE, parts=[named(*responses.free_call(pieces, "note"))], framing="chunked")
    got, _ = one(MESSAGES, RESPONSES, reply, ask(MESSAGES, stream=True))
    (block,) = streamed_blocks(got.body)
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "note", {"input": "".join(pieces)})
    got, _ = one(MESSAGES, RESPONSES, reply, ask(MESSAGES))
    (block,) = got.json()["content"]
    assert block["input"] == {"input": "".join(pieces)}
