"""What Chat and Responses write differently is read in either: clients mix the two."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Audio, Document, Image, Part, Text, ToolResult
from pointsman.conversation.request import OutputFormat, Request, ToolChoice
from pointsman.dialects.base import Reading
from pointsman.errors import PointsmanError
from pointsman.kinds import Protocol

from .halves import CAPSULES, CHAT, RESPONSES, half

BOTH = pytest.mark.parametrize("protocol", [CHAT, RESPONSES])
URL = "https://x.test/a.png"


def parsed(protocol: Protocol, content: Any = "hi", **more: Any) -> Request:
    """Under strict: nothing of it may be lost."""
    key = "messages" if protocol is CHAT else "input"
    body = {"model": "m", key: [{"role": "user", "content": content}], **more}
    return half(protocol).parse_request(body, Reading(Notes(strict=True), CAPSULES))


@BOTH
@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("words", Text("words")),
        ({"type": "text", "text": "words"}, Text("words")),
        ({"type": "input_text", "text": "words"}, Text("words")),
        ({"type": "image_url", "image_url": {"url": URL, "detail": "low"}}, Image(url=URL, detail="low")),
        ({"type": "input_image", "image_url": URL}, Image(url=URL)),
        ({"type": "input_image", "file_id": "f"}, Image(file_id="f", file_of="openai")),
        ({"type": "file", "file": {"file_id": "f"}}, Document(file_id="f", file_of="openai")),
        ({"type": "input_file", "file_url": URL}, Document(url=URL)),
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}}, Audio("AA", "mp3")),
    ],
)
def test_a_part_of_either_protocol(protocol: Protocol, value: Any, part: Part) -> None:
    assert parsed(protocol, [value]).messages[0].parts == [part]


@BOTH
def test_a_format_and_a_choice_nested_or_flat(protocol: Protocol) -> None:
    inner = {"name": "n", "schema": {"type": "object"}, "strict": True}
    forms: list[Any] = [{"type": "json_schema", "json_schema": inner}, {"type": "json_schema", **inner}]
    for form in forms:
        more = {"response_format": form} if protocol is CHAT else {"text": {"format": form}}
        assert parsed(protocol, **more).format == OutputFormat("json_schema", "n", {"type": "object"}, True)
    choices: list[Any] = [{"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}]
    for choice in choices:
        assert parsed(protocol, tool_choice=choice).tool_choice == ToolChoice("tool", "f")
        allowed = {"type": "allowed_tools", "mode": "required", "tools": [choice]}
        assert parsed(protocol, tool_choice=allowed).tool_choice == ToolChoice("any", None, ("f",))


@BOTH
@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"content": [{"type": "image_url"}]}, "content[0].image_url"),
        ({"content": [{"type": "nonsense"}]}, "content[0].type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
    ],
)
def test_what_is_wrong_is_named(protocol: Protocol, more: dict[str, Any], path: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        parsed(protocol, **more)
    assert str(caught.value.param).endswith(path)


@pytest.mark.parametrize(
    ("protocol", "history"),
    [
        (CHAT, {"role": "tool", "tool_call_id": "c", "content": None}),
        (RESPONSES, {"type": "function_call_output", "call_id": "c", "output": None}),
    ],
)
def test_a_tool_s_output_holds_no_sound(protocol: Protocol, history: dict[str, Any]) -> None:
    key, field = ("messages", "content") if protocol is CHAT else ("input", "output")
    sound = {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}}

    def of(parts: list[Any]) -> Request:
        body = {"model": "m", key: [{"role": "user", "content": "hi"}, {**history, field: parts}]}
        return half(protocol).parse_request(body, Reading(Notes(), CAPSULES))

    assert of(["ok"]).messages[1].parts == [ToolResult("c", (Text("ok"),))]
    with pytest.raises(PointsmanError) as caught:
        of(["ok", sound])
    assert caught.value.param == f"{key}[1].{field}[1].type"


@BOTH
@pytest.mark.parametrize("before", [[], [{"role": "user", "content": "hi"}]])
def test_an_image_in_a_system_message_is_not_lost_without_a_word(
    protocol: Protocol, before: list[Any]
) -> None:
    key = "messages" if protocol is CHAT else "input"
    image = {"type": "image_url", "image_url": {"url": URL}}
    body = {"model": "m", key: [*before, {"role": "system", "content": ["words", image]}]}
    with pytest.raises(PointsmanError) as caught:
        half(protocol).parse_request(body, Reading(Notes(), CAPSULES))
    assert caught.value.param == f"{key}[{len(before)}].content[1].type"
