"""One table of Messages requests, used in both directions: what each says, and that it is rendered back as it was.

`back` is what differs on the way back: the documented forms that are equal (a string and a list of one text block), and
the documented losses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from anthropic.types import message_create_params
from pydantic import TypeAdapter

from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import (
    CacheMark,
    Citation,
    Document,
    Foreign,
    Image,
    Opaque,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pointsman.conversation.request import (
    Message,
    OutputFormat,
    Request,
    Role,
    ThinkingMode,
    Tool,
    ToolChoice,
    WebSearch,
)

from .kit import parse, render

AM = "anthropic_messages"
U, A, S = Role.USER, Role.ASSISTANT, Role.SYSTEM
HI = Message(U, [Text("hi")])
WIRE_HI = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
PARAMS: TypeAdapter[Any] = TypeAdapter(message_create_params.MessageCreateParamsNonStreaming)
EPHEMERAL = {"type": "ephemeral"}


@dataclass
class Case:
    """body: what the client wrote. says: the fields of the neutral request. back: keys of the rendered body that are
    not as they were; None = the key is gone. warned: of the parse."""

    body: dict[str, Any]
    says: dict[str, Any]
    back: dict[str, Any] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)


def user(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def said(*parts: Any) -> dict[str, Any]:
    return {"messages": [Message(U, list(parts))]}


def turn(*content: Any) -> dict[str, Any]:
    """An assistant's turn between two of the user."""
    return {"messages": [WIRE_HI, {"role": "assistant", "content": list(content)}, WIRE_HI]}


def turned(*parts: Any) -> dict[str, Any]:
    return {"messages": [HI, Message(A, list(parts)), HI]}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


THINK = {"type": "thinking", "thinking": "hm", "signature": "own"}
REDACTED = {"type": "redacted_thinking", "data": "x"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": [2]}}
CALL = ToolCall("toolu_1", "f", '{"b":1,"a":[2]}')
SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "title": "T",
            "url": "https://t",
            "encrypted_content": "E",
            "page_age": None,
        }
    ],
}
PAGE = {
    "type": "char_location",
    "cited_text": "c",
    "document_index": 0,
    "document_title": "D",
    "start_char_index": 0,
    "end_char_index": 1,
}
WEB = {
    "type": "web_search_result_location",
    "cited_text": "c",
    "url": "https://t",
    "title": "T",
    "encrypted_index": "E",
}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}

CASES = {
    "a string": Case(
        {"messages": [{"role": "user", "content": "hi"}]}, {"messages": [HI]}, {"messages": [WIRE_HI]}
    ),
    "blocks": Case(user(text("a"), text("b")), said(Text("a"), Text("b"))),
    "cache marks": Case(
        user(text("a", cache_control=EPHEMERAL), text("b", cache_control={"type": "ephemeral", "ttl": "5m"})),
        said(Text("a", CacheMark()), Text("b", CacheMark("5m"))),
    ),
    "automatic cache": Case(
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"cache_auto": CacheMark("1h")}
    ),
    "system string": Case({"system": "s"}, {"system": [Text("s")]}, {"system": [text("s")]}),
    "system blocks": Case(
        {"system": [text("s"), text("t", cache_control=EPHEMERAL)]},
        {"system": [Text("s"), Text("t", CacheMark())]},
    ),
    "attribution": Case(
        {"system": [text("x-anthropic-billing-header: cc_version=2; h"), text("s")]},
        {"system": [Text("s")]},
        {"system": [text("s")]},
    ),
    "system in the middle": Case(
        {"messages": [WIRE_HI, {"role": "system", "content": "now"}]},
        {"messages": [HI, Message(S, [Text("now")])]},
        {"messages": [WIRE_HI, {"role": "system", "content": [text("now")]}]},
    ),
    "sampling": Case(
        {"temperature": 0.5, "top_p": 1, "top_k": 3}, {"temperature": 0.5, "top_p": 1, "top_k": 3}
    ),
    "stop": Case({"stop_sequences": ["END", "\n\nX"]}, {"stop": ("END", "\n\nX")}),
    "user": Case({"metadata": {"user_id": "u"}}, {"user": "u"}),
    "tier": Case({"service_tier": "standard_only"}, {"service_tier": "default"}),
    "tier auto": Case({"service_tier": "auto"}, {"service_tier": "auto"}),
    "adaptive": Case(
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
        {"thinking": ThinkingMode("adaptive", None, "omitted"), "effort": "max"},
    ),
    "no thinking": Case({"thinking": {"type": "disabled"}}, {"thinking": ThinkingMode("disabled")}),
    "budget": Case(
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000},
        {"thinking": ThinkingMode("enabled", 2000), "max_tokens": 4000},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ),
    "format": Case(
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"format": OutputFormat("json_schema", None, SCHEMA, True)},
    ),
    "older format": Case(
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
        {"format": OutputFormat("json_schema", None, SCHEMA, True)},
        {"output_format": None, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    "tools": Case(
        {
            "tools": [
                {"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True},
                {
                    "name": "g",
                    "input_schema": {"type": "object", "properties": {}},
                    "cache_control": EPHEMERAL,
                },
            ],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        },
        {
            "tools": [
                Tool("f", "d", SCHEMA, True, path="tools[0]"),
                Tool("g", None, {"type": "object", "properties": {}}, cache=CacheMark(), path="tools[1]"),
            ],
            "tool_choice": ToolChoice("tool", "f"),
            "parallel_tools": False,
        },
    ),
    "any tool": Case(
        {"tools": [{"name": "f", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}},
        {"tools": [Tool("f", None, SCHEMA, path="tools[0]")], "tool_choice": ToolChoice("any")},
    ),
    "no tool": Case(
        {"tools": [{"name": "f", "input_schema": SCHEMA}], "tool_choice": {"type": "none"}},
        {"tools": [Tool("f", None, SCHEMA, path="tools[0]")], "tool_choice": ToolChoice("none")},
    ),
    "server tool": Case(
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]},
        {
            "web_search": WebSearch(max_uses=3, path="tools[0]"),
        },
    ),
    "images": Case(
        user(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw"}},
            {"type": "image", "source": {"type": "url", "url": "https://i"}, "cache_control": EPHEMERAL},
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        ),
        said(
            Image("image/png", "iVBORw"),
            Image(url="https://i", cache=CacheMark()),
            Image(file_id="file_1", file_of=AM),
        ),
    ),
    "documents": Case(
        user(
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0"},
                "title": "t",
                "context": "c",
                "citations": {"enabled": True},
                "cache_control": EPHEMERAL,
            },
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            {"type": "document", "source": {"type": "url", "url": "https://d"}},
            {"type": "document", "source": {"type": "file", "file_id": "file_2"}},
            {"type": "document", "source": {"type": "content", "content": [text("x")]}},
        ),
        said(
            Document("application/pdf", "JVBERi0", title="t", context="c", citations=True, cache=CacheMark()),
            Document(text="words"),
            Document(url="https://d"),
            Document(file_id="file_2", file_of=AM),
            Document(parts=(Text("x"),)),
        ),
    ),
    "search result": Case(
        user({"type": "search_result", "title": "T", "source": "https://s", "content": [text("one")]}),
        said(Text("T\nhttps://s\n\none")),
        user(text("T\nhttps://s\n\none")),
    ),
    "calls and results": Case(
        {
            "messages": [
                WIRE_HI,
                {"role": "assistant", "content": [text("let me"), USE]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_1",
                            "content": [
                                text("r"),
                                {"type": "image", "source": {"type": "url", "url": "https://i"}},
                            ],
                            "is_error": True,
                            "cache_control": EPHEMERAL,
                        },
                        text("and"),
                    ],
                },
            ]
        },
        {
            "messages": [
                HI,
                Message(A, [Text("let me"), CALL]),
                Message(
                    U,
                    [
                        ToolResult("toolu_1", (Text("r"), Image(url="https://i")), True, cache=CacheMark()),
                        Text("and"),
                    ],
                ),
            ]
        },
    ),
    "result without content": Case(
        {
            "messages": [
                WIRE_HI,
                {"role": "assistant", "content": [USE]},
                *user({"type": "tool_result", "tool_use_id": "toolu_1"})["messages"],
            ]
        },
        {"messages": [HI, Message(A, [CALL]), Message(U, [ToolResult("toolu_1")])]},
    ),
    "thinking blocks": Case(
        turn(THINK, text("a"), REDACTED, USE),
        turned(
            Thinking("hm", Opaque(AM, THINK)),
            Text("a"),
            Thinking("", Opaque(AM, REDACTED), True),
            CALL,
        ),
    ),
    "server tool blocks": Case(
        turn(SEARCHED, FOUND, text("so", citations=[WEB, PAGE])),
        turned(
            Foreign(AM, "server_tool_use", SEARCHED, 'Called web_search with {"query":"q"}'),
            Foreign(AM, "web_search_tool_result", FOUND, "T\nhttps://t"),
            Text(
                "so",
                None,
                (
                    Citation("https://t", "T", "c", raw=WEB, protocol=AM),
                    Citation(None, "D", "c", raw=PAGE, protocol=AM),
                ),
            ),
        ),
    ),
    "direct caller": Case(turn({**USE, "caller": {"type": "direct"}}), turned(CALL), turn(USE)),
    "stream": Case({"stream": True}, {"stream": True, "include_usage": True}),
    "context management": Case(
        {"context_management": {"edits": []}, "speed": "fast"},
        {},
        {"context_management": None, "speed": None},
        ["dropped:speed", "dropped:context_management"],
    ),
    "task budget and unknown fields": Case(
        {"output_config": {"effort": "low", "task_budget": {"total": 9}}, "brand_new": 1},
        {"effort": "low"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}, "brand_new": None},
        ["dropped:output_config.task_budget", "dropped:brand_new"],
    ),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def bare(request: Request) -> Request:
    return msgspec.structs.replace(request, raw={}, paths={}, plain=False)


@every
def test_what_it_says(case: Case) -> None:
    notes = Notes()
    expected = {"messages": [HI], "max_tokens": 100, **case.says}
    assert bare(parse(case.body, notes)) == Request("m", **expected)
    assert notes.warnings == case.warned


@every
def test_it_is_rendered_back(case: Case) -> None:
    rendered = render(parse(case.body))
    expected = {"model": "m", "max_tokens": 100, "messages": [WIRE_HI], **case.body, **case.back}
    if "thinking" in expected:  # sampling beside thinking is another test's
        expected.pop("temperature", None)
    assert rendered == {key: value for key, value in expected.items() if value is not None}


@every
def test_there_and_back_again(case: Case) -> None:
    """What was rendered says the same once more, but for the documented losses."""
    once = render(parse(case.body))
    assert render(parse(once)) == once
    if not case.back or set(case.back) <= {"messages", "system"}:
        assert bare(parse(once)) == bare(parse(case.body))


@every
def test_the_vendors_own_types_take_what_is_rendered(case: Case) -> None:
    body = render(parse(case.body))
    body.pop("stream", None)
    PARAMS.validate_json(json.dumps(body), strict=True)


@every
def test_a_longer_conversation_keeps_its_beginning(case: Case) -> None:
    """Prompt caches key on exact prefixes."""
    short = parse(case.body)
    longer = msgspec.structs.replace(
        short, messages=[*short.messages, Message(A, [Text("ok")]), Message(U, [Text("more")])]
    )
    before, after = render(short), render(longer)
    assert after["messages"][: len(before["messages"])] == before["messages"]
    assert after.get("system") == before.get("system")
    assert after.get("tools") == before.get("tools")
