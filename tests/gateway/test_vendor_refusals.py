"""What users of gateways saw refused by a vendor, or answered wrongly in silence: what goes out is what the vendor takes,
and what is lost is told. Over the wire. The rules themselves are in tests/vendor_rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
import uvloop

from pointsman.practice import Received, Reply, ScriptedUpstream
from pointsman.routing.specs import BackendSpec
from tests.agents.model import CHAT, JSON, MESSAGES, RESPONSES, WHOLE

from .plane import Got, plane, rule
from .test_translation import PAIRS, PATHS, across, ask

STRING = {"type": "string"}
MODELS = {CHAT: "gpt-4.1", RESPONSES: "gpt-5.6", MESSAGES: "claude-sonnet-4-5"}


def sent(
    client: str, upstream: str, *, model: str = "", local: bool = False, **more: Any
) -> tuple[Got, dict[str, Any]]:
    """One request toward the vendor's own service (or a local server), and the body that it got, {} for none."""

    async def main() -> tuple[Got, list[Received]]:
        with ScriptedUpstream() as server:
            server.always(Reply(200, JSON, body=WHOLE[upstream]("hello")))
            kind = "local" if local else "anthropic" if upstream == MESSAGES else "openai"
            key, name = ("local/box", "box") if local else (kind, "")
            spec = BackendSpec(key, kind, name, server.url, dialects=(upstream,), allow_http=True)
            async with plane() as found:
                found.rules(rule("*", f"{key}={model or MODELS[upstream]}"), backends=[spec])
                got = await found.ask(PATHS[client], {**ask(client), **more})
            return got, [one for one in server.requests if one.method == "POST"]

    got, received = uvloop.run(main())
    return got, received[0].json() if received else {}


def told(got: Got) -> list[str]:
    return got.headers.get("x-pointsman-warnings", "").split(",")


def closed(sub: dict[str, Any], count: int, required: int) -> dict[str, Any]:
    names = [f"p{number}" for number in range(count)]
    properties = dict.fromkeys(names, sub)
    return {
        "type": "object",
        "properties": properties,
        "required": names[:required],
        "additionalProperties": False,
    }


def function(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": schema, "strict": True, **more}}


# -- C1: "Schemas contains too many optional parameters (36), which would make grammar compilation inefficient"


@pytest.mark.parametrize(
    ("sub", "required", "strict"),
    [
        (STRING, 0, 2),  # 12 optional ones each, 24 in all
        ({"type": ["string", "null"]}, 12, 1),  # 12 unions each, 16 in all
        ({"anyOf": [STRING, {"type": "integer"}]}, 12, 1),
    ],
)
def test_many_small_strict_tools_are_not_refused_together(
    sub: dict[str, Any], required: int, strict: int
) -> None:
    tools = [function(f"f{number}", closed(sub, 12, required)) for number in range(4)]
    got, body = sent(CHAT, MESSAGES, tools=tools)
    assert [tool.get("strict", False) for tool in body["tools"]] == [True] * strict + [False] * (4 - strict)
    assert [f"dropped:tools[{at}].function.strict" in told(got) for at in range(4)] == [
        at >= strict for at in range(4)
    ]


def test_the_answers_format_is_counted_with_the_tools_and_before_them() -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": closed(STRING, 20, 0), "strict": True},
    }
    got, body = sent(CHAT, MESSAGES, tools=[function("f", closed(STRING, 5, 0))], response_format=form)
    assert "strict" not in body["tools"][0]
    assert len(body["output_config"]["format"]["schema"]["properties"]) == 20
    assert "dropped:tools[0].function.strict" in told(got)


# -- C2: "`max_tokens` must be greater than `thinking.budget_tokens`", or an answer of nothing but thinking


@pytest.mark.parametrize("limit", [None, 2047, 2048, 3000, 10_000, 16_384, 20_000, 36_000, 64_000, 200_000])
def test_harder_thinking_never_gets_less_and_leaves_room_for_an_answer(limit: int | None) -> None:
    budgets = []
    for effort in ("high", "xhigh", "max"):
        more = {} if limit is None else {"max_completion_tokens": limit}
        got, body = sent(CHAT, MESSAGES, reasoning_effort=effort, **more)
        budget = body.get("thinking", {}).get("budget_tokens", 0)
        assert body["max_tokens"] <= 64_000
        assert budget == 0 or 1024 <= budget <= body["max_tokens"] - 1024
        assert (
            (budget == 0) == ("dropped:reasoning_effort" in told(got)) == (limit is not None and limit < 2048)
        )
        budgets.append(budget)
    assert budgets == sorted(budgets)


# -- C3


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "given",
    [
        {"type": "array"},
        {"type": ["array", "null"], "description": "d"},
        {"type": "array", "items": {"type": "array"}},
        {"type": "array", "items": [STRING, {"type": "array"}]},
        {"anyOf": [{"type": "array"}, STRING]},
    ],
)
def test_an_array_without_items_is_no_invalid_schema(upstream: str, given: dict[str, Any]) -> None:
    """ "Invalid schema for function 'f': In context=('properties', 'a'), array schema missing items" """
    schema = {"type": "object", "properties": {"a": given}}
    _, body = sent(MESSAGES, upstream, tools=[{"name": "f", "input_schema": schema}])
    tool = body["tools"][0]
    found = tool.get("function", tool)["parameters"]["properties"]["a"]

    def arrays(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [one for inner in node for one in arrays(inner)]
        if not isinstance(node, dict):
            return []
        here = [node] if "array" in (node.get("type") or "") else []
        return here + [one for inner in node.values() for one in arrays(inner)]

    assert arrays(found)
    assert all(isinstance(one["items"], dict) for one in arrays(found))


def test_strict_that_is_not_kept_is_told() -> None:
    open_schema = {"type": "object", "properties": {"a": STRING}}
    got, body = sent(CHAT, RESPONSES, tools=[function("f", open_schema)])
    assert (body["tools"][0]["strict"], told(got)) == (False, ["changed:tools[0].function.strict"])
    tool = {"name": "f", "input_schema": open_schema, "strict": True}
    got, body = sent(MESSAGES, CHAT, tools=[tool])
    assert (body["tools"][0]["function"]["strict"], told(got)) == (False, ["changed:tools[0].strict"])
    form = {"format": {"type": "json_schema", "schema": open_schema}}
    got, body = sent(MESSAGES, CHAT, output_config=form)
    assert body["response_format"]["json_schema"]["strict"] is False
    assert told(got) == ["changed:output_config.format"]


def test_strict_that_nobody_asked_for_is_not_told() -> None:
    """A Responses client says strict by saying nothing; its vendor takes a schema that is not so."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": STRING}}}
    got, body = sent(RESPONSES, CHAT, tools=[tool])
    assert (body["tools"][0]["function"]["strict"], told(got)) == (False, [""])


@pytest.mark.parametrize(("client", "upstream"), [(MESSAGES, CHAT), (MESSAGES, RESPONSES), (CHAT, RESPONSES)])
@pytest.mark.parametrize("local", [True, False])
def test_a_prefill_that_is_ignored_is_told(client: str, upstream: str, local: bool) -> None:
    turns = [{"role": "user", "content": "a JSON object, please"}, {"role": "assistant", "content": "{"}]
    got, _ = sent(client, upstream, local=local, messages=turns)
    assert "changed:messages[1]" in told(got)
    got, _ = sent(client, upstream, local=local, messages=turns[:1])
    assert told(got) == [""]


def test_a_prefill_goes_where_the_model_goes_on_with_it_and_is_refused_where_it_cannot_be() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}]
    got, body = sent(CHAT, MESSAGES, messages=turns)
    assert (body["messages"][-1]["role"], told(got)) == ("assistant", [""])
    got, body = sent(CHAT, MESSAGES, model="claude-opus-5-5", messages=turns)
    assert (got.status, body) == (400, {})
    assert "must end with a user message" in got.json()["error"]["message"]


@pytest.mark.parametrize("turn", [[], [{"role": "user", "content": "b"}]])
def test_a_model_that_thinks_is_not_sent_a_prefill(turn: list[Any]) -> None:
    """ "Expected `thinking` or `redacted_thinking`, but found `text`": thinking knows no prefill."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}, *turn]
    got, body = sent(CHAT, MESSAGES, messages=turns, reasoning_effort="high")
    assert ("thinking" in body) == bool(turn)
    assert told(got) == ([""] if turn else ["dropped:reasoning_effort"])


def test_one_json_object_is_asked_for_where_the_vendor_looks_for_the_word() -> None:
    """ "Response input messages must contain the word 'json' in some form": `instructions` do not count."""
    form = {"response_format": {"type": "json_object"}}
    system = {"role": "system", "content": "Answer in JSON."}
    got, body = sent(CHAT, RESPONSES, messages=[system, {"role": "user", "content": "hi"}], **form)
    assert "instructions" not in body
    assert "JSON" in str(body["input"])
    assert told(got) == [""]
    got, body = sent(CHAT, RESPONSES, messages=[{"role": "user", "content": "hi"}], **form)
    assert "JSON" in str(body["input"])
    assert told(got) == ["emulated:response_format"]
    got, body = sent(RESPONSES, CHAT, input="hi", text={"format": {"type": "json_object"}})
    assert "JSON" in str(body["messages"])
    assert told(got) == ["emulated:text.format"]


@pytest.mark.parametrize("upstream", [RESPONSES, CHAT])
def test_an_empty_message_of_the_users_is_no_empty_list(upstream: str) -> None:
    client = MESSAGES if upstream == CHAT else CHAT
    _, body = sent(client, upstream, messages=[{"role": "user", "content": ""}])
    assert len(body.get("input", body.get("messages"))) == 1
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": ""},
    ]
    got, body = sent(client, upstream, messages=turns)
    assert body.get("input", body.get("messages"))[-1]["role"] == "user"
    assert told(got) == [""]


@pytest.mark.parametrize(
    ("client", "more", "path"),
    [
        (CHAT, {"messages": [{"role": "user", "content": ""}]}, "messages[0].content"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
            "messages[0].content",
        ),
        (RESPONSES, {"input": ""}, "input.content"),
        (RESPONSES, {"input": []}, "input"),
    ],
)
def test_a_question_of_nothing_is_refused_where_the_vendor_would(
    client: str, more: dict[str, Any], path: str
) -> None:
    got, body = sent(client, MESSAGES, **more)
    assert (got.status, body) == (400, {})
    assert got.json()["error"]["param"] == path


def test_system_text_alone_is_an_input() -> None:
    _, body = sent(CHAT, RESPONSES, messages=[{"role": "system", "content": "say hi"}])
    assert "instructions" not in body
    assert [item["content"][0]["text"] for item in body["input"]] == ["say hi"]
    _, body = sent(RESPONSES, CHAT, input=[{"role": "developer", "content": "say hi"}])
    assert [message["content"] for message in body["messages"]] == ["say hi"]
    got, body = sent(RESPONSES, CHAT, input=[])
    assert (got.status, got.json()["error"]["param"], body) == (400, "input", {})


def test_a_history_of_foreign_reasoning_alone_is_no_empty_list() -> None:
    """Found by the generated conversations: all that was said was left out on the way."""
    turn = {"role": "assistant", "content": "", "reasoning_content": "hm"}
    got, body = sent(CHAT, RESPONSES, messages=[turn])
    assert (got.status, got.json()["error"]["param"], body) == (400, "messages", {})
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "theirs"}
    got, body = sent(RESPONSES, CHAT, input=[item])
    assert (got.status, got.json()["error"]["param"], body) == (400, "input", {})


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
@pytest.mark.parametrize("content", ["", [{"type": "text", "text": ""}], []])
def test_an_assistants_turn_of_nothing_is_no_conversation(upstream: str, content: Any) -> None:
    got, body = sent(MESSAGES, upstream, messages=[{"role": "assistant", "content": content}])
    assert (got.status, body) == (400, {})
    assert b"at least one message must say something" in got.body


STRAY = {
    CHAT: {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "sunny"}]},
    MESSAGES: {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}]}]},
    RESPONSES: {"input": [{"type": "function_call_output", "call_id": "c1", "output": "sunny"}]},
}  # fmt: skip


@across
@pytest.mark.parametrize("system", [False, True])
def test_a_conversation_of_a_tools_result_alone_is_told_what_it_lacks(
    client: str, upstream: str, system: bool
) -> None:
    """It was told that at least one message must say something, and it says something."""
    more: dict[str, Any] = dict(STRAY[client])
    if system and client == CHAT:
        more["messages"] = [{"role": "system", "content": "be kind"}, *more["messages"]]
    elif system:
        more["system" if client == MESSAGES else "instructions"] = "be kind"
    got, body = sent(client, upstream, **more)
    said = got.json()["error"]["message"]
    assert (got.status, body) == (400, {})
    assert "it answers no call of the turn before" in said
    assert said.startswith(("'messages[", "'messages.", "'input["))


FORMATS = {
    CHAT: lambda schema: {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}},
    RESPONSES: lambda schema: {"text": {"format": {"type": "json_schema", "name": "n", "strict": True, "schema": schema}}},
    MESSAGES: lambda schema: {"output_config": {"format": {"type": "json_schema", "schema": schema}}},
}  # fmt: skip


@pytest.mark.parametrize(("client", "upstream"), [pair for pair in PAIRS if pair[1] != MESSAGES])
@pytest.mark.parametrize(
    "schema", [{"type": "array", "items": {"type": "string"}}, {"type": "string", "enum": ["a", "b"]}]
)
def test_a_list_is_asked_for_in_words_where_the_vendor_takes_only_objects(
    client: str, upstream: str, schema: Any
) -> None:
    """OpenAI: "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'"."""
    got, body = sent(client, upstream, **FORMATS[client](schema))
    assert got.status == 200
    assert "emulated:" in got.headers["x-pointsman-warnings"]
    raw = json.dumps(body)
    assert "exactly one JSON value" in raw
    assert "one JSON object" not in raw
    assert '"json_schema"' not in raw
    assert '"json_object"' not in raw


def test_a_local_server_enforces_a_list() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    got, body = sent(RESPONSES, CHAT, local=True, **FORMATS[RESPONSES](schema))
    assert got.status == 200
    assert body["response_format"]["json_schema"]["schema"] == schema


def test_sound_is_refused_where_the_input_has_none() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    message = {"role": "user", "content": [{"type": "text", "text": "hear"}, sound]}
    got, body = sent(CHAT, RESPONSES, messages=[message])
    assert (got.status, body) == (400, {})
    assert got.json()["error"]["param"] == "messages[0].content[1]"


@pytest.mark.parametrize(
    ("ttls", "auto", "kept"),
    [
        (["5m", "1h"], None, ["5m", "5m"]),
        ([None, "1h"], None, ["5m", "5m"]),
        (["1h", "5m", "1h"], None, ["1h", "5m", "5m"]),
        (["5m", "x", "1h"], None, ["5m", "5m"]),
        (["1h"], "5m", ["1h"]),  # the automatic one would fall on the same block
        (["1h", "x"], "5m", ["1h", "auto 5m"]),
        (["5m", "x"], "1h", ["5m", "auto 5m"]),
    ],
)
def test_marks_for_the_cache_stand_in_the_vendors_order(
    ttls: list[str | None], auto: str | None, kept: list[str]
) -> None:
    """ "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block" """
    parts: list[dict[str, Any]] = []
    for at, ttl in enumerate(ttls):
        mark = {"type": "ephemeral"} if ttl is None else {"type": "ephemeral", "ttl": ttl}
        parts.append({"type": "text", "text": f"t{at}"} | ({} if ttl == "x" else {"cache_control": mark}))
    more = {"cache_control": {"type": "ephemeral", "ttl": auto}} if auto else {}
    _, body = sent(CHAT, MESSAGES, messages=[{"role": "user", "content": parts}], **more)
    found = [one["cache_control"] for one in body["messages"][0]["content"] if "cache_control" in one]
    marks = [one.get("ttl", "5m") for one in found]
    if "cache_control" in body:
        marks.append("auto " + body["cache_control"].get("ttl", "5m"))
    assert marks == kept
