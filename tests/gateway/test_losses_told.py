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
