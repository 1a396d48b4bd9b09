"""What clients lost without a word: each loss is told with its place in the client's own body, or no loss any more. Over the
wire; the table of all fields is docs/reference/fidelity.md."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents.model import CHAT, MESSAGES, RESPONSES

from .test_vendor_refusals import sent, told

HI = {"role": "user", "content": "hi"}
GO = {"role": "user", "content": "go on"}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "name": "x", "description": "a thing", "schema": SCHEMA}
ANNOTATION = {
    "type": "url_citation",
    "url": "https://example.com",
    "title": "t",
    "start_index": 0,
    "end_index": 1,
}
FILE = {"type": "file_citation", "file_id": "file_1", "index": 0, "filename": "a.pdf"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": ""}


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(parts)}


def output(*annotations: dict[str, Any]) -> dict[str, Any]:
    return said({"type": "output_text", "text": "b", "annotations": list(annotations)})


TEXT_FILE = {"file_data": "data:text/plain;base64,eA==", "filename": "a.txt"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "r"}
CLICK = {
    "type": "computer_call",
    "id": "u",
    "call_id": "c",
    "action": {"type": "screenshot"},
    "pending_safety_checks": [],
}
SHOT = {
    "type": "computer_call_output",
    "call_id": "c",
    "output": {"type": "computer_screenshot", "image_url": "https://example.com/a.png"},
}


TOLD: list[tuple[str, str, dict[str, Any], str]] = [
    (RESPONSES, MESSAGES, {"text": {"format": FORM}}, "dropped:text.format.description"),
    (CHAT, MESSAGES, {"response_format": {"type": "json_schema", "json_schema": FORM}}, "dropped:response_format.json_schema.description"),
    (CHAT, MESSAGES, {"messages": [{"role": "system", "name": "bob", "content": "s"}, HI]}, "dropped:messages[0].name"),
    (CHAT, RESPONSES, {"messages": [{"role": "developer", "name": "bob", "content": "s"}, HI]}, "dropped:messages[0].name"),
    (CHAT, RESPONSES, {"messages": [HI, {"role": "assistant", "content": "b", "annotations": [ANNOTATION]}, GO]}, "dropped:messages[1].annotations"),
    (CHAT, MESSAGES, {"messages": [HI, {"role": "assistant", "content": "b", "annotations": [ANNOTATION]}, GO]}, "dropped:messages[1].annotations"),
    (RESPONSES, MESSAGES, {"input": [HI, output(ANNOTATION), GO]}, "dropped:input[1].content[0].annotations[0].url"),
    (RESPONSES, CHAT, {"input": [HI, output(ANNOTATION), GO]}, "dropped:input[1].content[0].annotations"),
    (RESPONSES, CHAT, {"input": [HI, output(ANNOTATION, FILE), GO]}, "dropped:input[1].content[0].annotations[1]"),
    (RESPONSES, MESSAGES, {"input": [HI, output(FILE), GO]}, "dropped:input[1].content[0].annotations[0]"),
    (MESSAGES, CHAT, {"messages": [HI, said({"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "b"}]}), GO]}, "dropped:messages[1].content[0].citations"),
    (MESSAGES, RESPONSES, {"messages": [HI, said({"type": "text", "text": "b", "citations": [{"type": "page_location", "cited_text": "b"}]}), GO]}, "dropped:messages[1].content[0].citations"),
    (CHAT, MESSAGES, {"messages": [HI, {"role": "assistant", "content": "b", "reasoning_content": "hm"}, GO]}, "dropped:messages[1].reasoning_content"),
    (CHAT, RESPONSES, {"messages": [HI, {"role": "assistant", "content": "b", "reasoning": "hm"}, GO]}, "dropped:messages[1].reasoning"),
    (MESSAGES, RESPONSES, {"messages": [HI, said(THOUGHT, {"type": "text", "text": "b"}), GO]}, "dropped:messages[1].content[0]"),
    (RESPONSES, MESSAGES, {"input": [HI, {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, output(), GO]}, "dropped:input[1]"),
    (CHAT, MESSAGES, {"tool_choice": "required"}, "dropped:tool_choice"),
    (RESPONSES, CHAT, {"tool_choice": {"type": "function", "name": "f"}}, "dropped:tool_choice"),
    (CHAT, RESPONSES, {"messages": [{"role": "user", "content": [{"type": "file", "file": {**TEXT_FILE, "x": 1}}]}]}, "dropped:messages[0].content[0].file.x"),
    (RESPONSES, CHAT, {"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav", "x": 1}}]}]}, "dropped:input[0].content[0].input_audio.x"),
    (CHAT, RESPONSES, {"tools": [{"type": "function", "function": {"name": "f", "defer_loading": True}}]}, "dropped:tools[0].function.defer_loading"),
    (CHAT, MESSAGES, {"prompt_cache_options": {"mode": "explicit"}}, "dropped:prompt_cache_options"),
    (RESPONSES, CHAT, {"tools": [{"type": "shell", "environment": {"type": "local", "skills": [{"name": "s", "description": "d", "path": "/s"}]}}]}, "dropped:tools[0].environment.skills"),
    (RESPONSES, CHAT, {"tools": [{"type": "apply_patch", "allowed_callers": ["programmatic"]}]}, "dropped:tools[0].allowed_callers"),
    (RESPONSES, MESSAGES, {"input": [HI, {**CALL, "caller": {"type": "program", "caller_id": "p"}}, RESULT]}, "dropped:input[1].caller"),
    (RESPONSES, MESSAGES, {"input": [HI, CLICK, {**SHOT, "acknowledged_safety_checks": [{"id": "c"}]}]}, "dropped:input[2].acknowledged_safety_checks"),
    (RESPONSES, CHAT, {"input": [HI, {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True}]}, "changed:input[1]"),
    (MESSAGES, RESPONSES, {"tools": [{"type": "web_search_20250305", "name": "web_search", "strict": True}]}, "dropped:tools[0].strict"),
    (MESSAGES, CHAT, {"messages": [{"role": "user", "content": [{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "b"}]}]}]}]}, "dropped:messages[0].content[0].content[0].citations"),
    (MESSAGES, RESPONSES, {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, "changed:system[0].cache_control.ttl"),
    (CHAT, MESSAGES, {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}]}]}, "changed:messages[0].content[0].prompt_cache_breakpoint.ttl"),
    (CHAT, MESSAGES, {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,YWFh", "pages": 3}}]}]}, "dropped:messages[0].content[0].file.pages"),
    (CHAT, MESSAGES, {"messages": [HI, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}", "note": 1}}]}, {"role": "tool", "tool_call_id": "a", "content": "ok"}]}, "dropped:messages[1].tool_calls[0].function.note"),
    (CHAT, RESPONSES, {"messages": [HI, {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "f", "input": "x", "note": 1}}]}, {"role": "tool", "tool_call_id": "a", "content": "ok"}]}, "dropped:messages[1].tool_calls[0].custom.note"),
    (MESSAGES, RESPONSES, {"tools": [{"type": "code_execution_20250825", "name": "code_execution", "strict": True}]}, "dropped:tools[0].strict"),
    (RESPONSES, MESSAGES, {"tools": [{"type": "web_search", "external_web_access": False}]}, "dropped:tools[0].external_web_access"),
]  # fmt: skip


@pytest.mark.parametrize(("client", "upstream", "more", "entry"), TOLD)
def test_a_loss_is_told(client: str, upstream: str, more: dict[str, Any], entry: str) -> None:
    got, body = sent(client, upstream, **more)
    assert body, got.body
    assert entry in told(got)


def test_what_is_said_of_a_group_of_tools_reaches_models_that_know_no_groups() -> None:
    inner = [
        {"type": "function", "name": name, "description": name * 2, "parameters": SCHEMA} for name in "fg"
    ]
    tools = [{"type": "namespace", "name": "crm", "description": "The customers.", "tools": inner}]
    for upstream in (MESSAGES, CHAT):
        got, body = sent(RESPONSES, upstream, tools=tools)
        found = [tool.get("function", tool)["description"] for tool in body["tools"]]
        assert "The customers." in found[0]
        assert found[0].startswith("ff")
        assert found[1] == "gg"
        assert told(got) == [""]


def test_the_thinking_of_a_second_assistant_turn_in_a_row_is_not_lost() -> None:
    turns = [
        HI,
        said(THOUGHT, {"type": "text", "text": "b"}),
        said({**THOUGHT, "thinking": "and then"}, {"type": "text", "text": "c"}),
        GO,
    ]
    _, body = sent(MESSAGES, CHAT, local=True, messages=turns)
    assert body["messages"][1] == {
        "role": "assistant",
        "content": "b\n\nc",
        "reasoning_content": "hm\n\nand then",
    }
    _, body = sent(
        MESSAGES, CHAT, local=True, messages=[HI, *turns[2:3], said({"type": "text", "text": "d"}), GO]
    )
    assert body["messages"][1] == {"role": "assistant", "content": "c\n\nd", "reasoning_content": "and then"}


def test_words_about_a_format_that_is_only_asked_for_in_words_go_with_them() -> None:
    _, body = sent(RESPONSES, MESSAGES, model="claude-3-5-haiku", text={"format": FORM})
    assert "a thing" in body["system"][-1]["text"]


@pytest.mark.parametrize("upstream", [MESSAGES, RESPONSES])
def test_a_mark_beside_a_list_of_parts_is_on_the_last_of_them(upstream: str) -> None:
    """Clients of LiteLLM and OpenRouter write it so: it was lost without a word."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = {"role": "user", "content": parts, "cache_control": {"type": "ephemeral"}}
    got, body = sent(CHAT, upstream, messages=[message])
    content = body.get("input", body.get("messages"))[0]["content"]
    name = "cache_control" if upstream == MESSAGES else "prompt_cache_breakpoint"
    assert [name in part for part in content] == [False, True]
    assert told(got) == [""]


def test_a_cache_that_shall_only_be_filled_is_no_answer() -> None:
    got, body = sent(RESPONSES, MESSAGES, prompt_cache_options={"prewarm": True})
    assert (got.status, body, got.json()["error"]["param"]) == (400, {}, "prompt_cache_options.prewarm")
