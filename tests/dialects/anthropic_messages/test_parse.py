"""What a client may write that its own vendor would read in another way, or not at all: capsules, tools, bad bodies."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Citation, Foreign, Opaque, Text, Thinking, ToolCall, ToolResult
from pointsman.conversation.request import Message, Request, Role, ToolChoice
from pointsman.dialects.fields import load
from pointsman.errors import PointsmanError

from .kit import CAPSULES, parse

OPAQUE = Opaque("openai_responses", {"id": "rs_1", "encrypted_content": "e"}, "openai")


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": list(blocks)}]}


def parts_of(request: Request) -> list[Any]:
    return request.messages[-1].parts


def test_a_capsule_is_opened() -> None:
    signed = {"type": "thinking", "thinking": "t", "signature": CAPSULES.seal(OPAQUE)}
    empty = {"type": "thinking", "thinking": "u", "signature": CAPSULES.seal(None)}
    found = parts_of(parse(assistant(signed, empty, {"type": "thinking", "thinking": "v"})))
    assert found == [Thinking("t", OPAQUE), Thinking("u"), Thinking("v")]


def test_a_forged_capsule_is_left_out_and_told() -> None:
    notes = Notes()
    forged = {"type": "thinking", "thinking": "t", "signature": CAPSULES.seal(OPAQUE)[:-2] + "xx"}
    found = parts_of(parse(assistant(forged, {"type": "text", "text": "a"}), notes))
    assert found == [Text("a")]
    assert notes.warnings == ["dropped:messages[1].content[0].signature"]


def test_the_session_is_a_cache_key() -> None:
    assert parse({}, header={b"x-claude-code-session-id": b"s-1"}).cache_key == "s-1"
    assert parse({}).cache_key is None


def test_the_attribution_line_goes_and_what_follows_it_stays() -> None:
    line = "x-anthropic-billing-header: cc_version=2.1; cch=1;"
    assert parse({"system": line}).system == []
    assert parse({"system": line + "\n\nYou are"}).system == [Text("You are")]
    assert parse({"system": [{"type": "text", "text": "You are"}]}).system == [Text("You are")]


def test_a_leading_system_message_is_the_system_prompt() -> None:
    found = parse({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]})
    assert (found.system, found.messages) == ([Text("s")], [Message(Role.USER, [Text("hi")])])


@pytest.mark.parametrize(
    ("kind", "name", "commands"),
    [
        ("bash_20250124", "bash", None),
        ("text_editor_20250728", "str_replace_based_edit_tool", 4),
        ("text_editor_20250124", "str_replace_editor", 5),
        ("memory_20250818", "memory", 6),
    ],
)
def test_client_tools_are_spelt_out(kind: str, name: str, commands: int | None) -> None:
    notes = Notes()
    (tool,) = parse({"tools": [{"type": kind, "name": name}]}, notes).tools
    assert (tool.name, tool.path, notes.warnings) == (name, "tools[0]", [])
    assert tool.schema is not None
    assert tool.description
    properties = tool.schema["properties"]
    assert len(properties.get("command", {}).get("enum", [])) == (commands or 0)
    assert set(tool.schema.get("required", [])) <= set(properties)


def test_other_tools_of_the_vendor_are_its_own() -> None:
    given_tools = [
        {"type": "computer_20250124", "name": "computer", "display_width_px": 1},
        {"type": "browser_toolset_20260801"},
        {"type": "mcp_toolset", "mcp_server_name": "x"},
    ]
    found = parse({"tools": given_tools}).server_tools
    assert [(t.type, t.name, t.value, t.path) for t in found] == [
        ("computer_20250124", "computer", given_tools[0], "tools[0]"),
        ("browser_toolset_20260801", "browser_toolset", given_tools[1], "tools[1]"),
        ("mcp_toolset", "mcp_toolset", given_tools[2], "tools[2]"),
    ]


def test_hints_on_tools() -> None:
    notes = Notes()
    tool = {
        "name": "f",
        "input_schema": {"type": "object"},
        "eager_input_streaming": True,
        "defer_loading": True,
        "allowed_callers": ["code_execution_20260120"],
        "input_examples": [{}],
    }
    parse(
        {
            "tools": [
                tool,
                {**tool, "defer_loading": False, "allowed_callers": ["direct"], "input_examples": []},
            ]
        },
        notes,
    )
    assert notes.warnings == [
        "dropped:tools[0].defer_loading",
        "dropped:tools[0].allowed_callers",
        "dropped:tools[0].input_examples",
    ]


def test_parallel_use_that_is_allowed_is_not_said() -> None:
    found = parse({"tool_choice": {"type": "auto", "disable_parallel_tool_use": False}})
    assert (found.tool_choice, found.parallel_tools) == (ToolChoice("auto"), None)


def test_an_absent_input_and_an_empty_one() -> None:
    use = {"type": "tool_use", "id": "t", "name": "f"}
    assert parts_of(parse(assistant({**use, "input": {}}))) == [ToolCall("t", "f", "{}")]
    assert parts_of(parse(assistant(use))) == [ToolCall("t", "f", "")]


def test_what_a_server_tool_said_is_kept_in_words() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "bash_code_execution", "input": {"command": "ls"}},
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "s",
            "content": {
                "type": "bash_code_execution_result",
                "stdout": "a.txt",
                "stderr": "",
                "return_code": 0,
            },
        },
        {
            "type": "web_fetch_tool_result",
            "tool_use_id": "s",
            "content": {
                "type": "web_fetch_result",
                "url": "https://p",
                "content": {"type": "document", "source": {"type": "text", "data": "page"}},
            },
        },
        {"type": "compaction", "content": "so far"},
        {"type": "mcp_tool_result", "tool_use_id": "m", "content": [{"type": "text", "text": "from mcp"}]},
        {"type": "something_new", "a": 1},
    ]
    found = parts_of(parse(assistant(*blocks)))
    assert [(f.type, f.text) for f in found] == [
        ("server_tool_use", 'Called bash_code_execution with {"command":"ls"}'),
        ("bash_code_execution_tool_result", "a.txt"),
        ("web_fetch_tool_result", "https://p\npage"),
        ("compaction", "so far"),
        ("mcp_tool_result", "from mcp"),
        ("something_new", '{"a":1}'),
    ]
    assert all(isinstance(f, Foreign) and f.value == block for f, block in zip(found, blocks, strict=True))


def test_what_a_result_may_hold() -> None:
    content = [
        {"type": "search_result", "title": "T", "source": "s", "content": [{"type": "text", "text": "x"}]},
        {"type": "tool_reference", "tool_name": "g"},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "d"},
            "title": "D",
        },
    ]
    result = {"type": "tool_result", "tool_use_id": "t", "content": content}
    (found,) = parts_of(parse({"messages": [{"role": "user", "content": [result]}]}))
    assert isinstance(found, ToolResult)
    assert found.parts[0] == Text("T\ns\n\nx")
    assert found.parts[1] == Text('{"type":"tool_reference","tool_name":"g"}')


def test_a_citation_that_was_made_up_is_not_the_vendors() -> None:
    made_up = {
        "type": "web_search_result_location",
        "url": "u",
        "title": "t",
        "cited_text": "c",
        "encrypted_index": "",
    }
    (found,) = parts_of(parse(assistant({"type": "text", "text": "a", "citations": [made_up]})))
    assert found.citations == (Citation("u", "t", "c"),)


def test_a_body_to_be_counted_has_no_max_tokens() -> None:
    assert parse({"max_tokens": None}).max_tokens is None
    assert parse({"max_tokens": 0}).max_tokens == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": ""}, "model"),
    ({"model": 1}, "model"),
    ({"max_tokens": "x"}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": ["x"]}, "messages[0]"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [1]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]},
        "messages[0].content[0].text",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "x"}}]}]},
        "messages[0].content[0].source.type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
        "messages[0].content[0].source.media_type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
        "messages[0].content[0].source.type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        "messages[0].content[0].tool_use_id",
    ),
    (assistant({"type": "tool_use", "id": "t", "name": "f", "input": "x"}), "messages[1].content[0].input"),
    (
        assistant({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}),
        "messages[1].content[0].cache_control.ttl",
    ),
    ({"system": 1}, "system"),
    ({"system": [{"type": "image"}]}, "system[0].type"),
    ({"temperature": "hot"}, "temperature"),
    ({"stop_sequences": [1]}, "stop_sequences[0]"),
    ({"stop_sequences": "x"}, "stop_sequences"),
    ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ({"thinking": {"type": "maybe"}}, "thinking.type"),
    ({"thinking": {}}, "thinking.type"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"output_format": {"type": "yaml"}}, "output_format.type"),
    ({"metadata": {"user_id": 1}}, "metadata.user_id"),
    ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tool_choice": {}}, "tool_choice.type"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"stream": "yes"}, "stream"),
    ({"service_tier": "fast"}, "service_tier"),
    # what would change the conversation or the account
    # (docs/protocols/requests.md#fields-for-one-vendor-only)
    ({"compaction": {"type": "x"}}, "compaction"),
    ({"thread": {"type": "continue", "id": "t"}}, "thread"),
    ({"thread": {"type": "create"}}, "thread"),
    ({"mcp_servers": [{"type": "url", "url": "u", "name": "n"}]}, "mcp_servers"),
    ({"inference_geo": "eu"}, "inference_geo"),
    ({"workspace_id": "w"}, "workspace_id"),
    (
        {
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "system", "content": [{"type": "tool_addition"}]},
            ]
        },
        "messages[1].content[0]",
    ),
]


@pytest.mark.parametrize(("body", "path"), BAD, ids=[path for _, path in BAD])
def test_a_bad_body_is_a_400_that_names_the_place(body: dict[str, Any], path: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        parse(body)
    assert (caught.value.status, caught.value.param) == (400, path)
    assert path in caught.value.public


def test_under_strict_what_would_be_dropped_is_a_400() -> None:
    with pytest.raises(PointsmanError) as caught:
        parse({"brand_new": 1}, Notes(strict=True))
    assert caught.value.param == "brand_new"


RICH: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}]}
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "thinking": {"type": "enabled", "budget_tokens": 1},
    "output_config": {"effort": "low"},
    "metadata": {"user_id": "u"},
}
junk = st.sampled_from([None, True, 1, -2.5, "x", "", [], [1], {}, {"type": "text"}, [{}], [[]]])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found = []
    for key in keys:
        found += [(*path, key), *places(value[key], (*path, key))]
    return found


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(places(RICH)), junk)
def test_anything_anywhere_is_read_or_refused(place: tuple[Any, ...], value: Any) -> None:
    body = copy.deepcopy(RICH)
    inside: Any = body
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    try:
        parse(load(json.dumps(body).encode()))
    except PointsmanError as error:
        assert error.status == 400
        assert error.param


@pytest.mark.parametrize(
    "body",
    [
        b'{"a"\t:1,"x":1,"x":2}',
        b'{"a"  :1,"x":1,"x":2}',
        b'{"a\\\\" :1,"x":1,"x":2}',
        b'{"x":1,"y":["::"],"x":2}',
        b'{"x":1,"y":"\\":","x":2}',
        b'{"x":1,"x":1e5}',
        b'{"y":{"x":1,"\\u0078":123456}}',
        b'{"y":[[{"x":100000000000000000000000,"x" : 1}]]}',
    ],
    ids=str,
)
def test_no_way_of_writing_hides_a_key_that_stands_twice(body: bytes) -> None:
    with pytest.raises(PointsmanError, match="'x' stands twice"):
        load(body)


KEYS = st.text(st.sampled_from('ax":\\ é\t'), max_size=3)
VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(
    value=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    again=VALUES,
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,", "\t:\n"), (",", " :")]),
    ascii=st.booleans(),
    twin=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_a_body_is_refused_for_a_key_written_twice_and_for_nothing_else(
    value: dict[str, Any], again: Any, separators: tuple[str, str], ascii: bool, twin: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii, separators=separators)
    if twin:
        more = json.dumps({next(iter(value)): again}, ensure_ascii=not ascii, separators=(",", ":"))
        text = f"{text[:-1]},{more[1:]}"
    if not twin:
        assert load(text.encode()) == json.loads(text)
        return
    with pytest.raises(PointsmanError, match="stands twice"):
        load(text.encode())
