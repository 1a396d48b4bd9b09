"""A question of the playground as a request of each protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.admin.control.playing import MOST_IMAGE, Composed, PlayAsked, composed
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind

CHAT, RESPONSES, MESSAGES = "openai_chat", "openai_responses", "anthropic_messages"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
TOOLS = [
    {"type": "function", "function": {"name": "of_chat", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "name": "of_responses", "parameters": {"type": "object", "properties": {}}},
    {"name": "of_messages", "input_schema": {"type": "object", "properties": {}}},
]


def play(protocol: str, **more: Any) -> Composed:
    return composed(PlayAsked.model_validate({"model": "m", "protocol": protocol, "prompt": "hi", **more}))


def body(protocol: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(play(protocol, **more).body)
    return made


def test_each_protocol_has_its_own_path_and_streams() -> None:
    assert [play(one).path for one in (CHAT, RESPONSES, MESSAGES)] == [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
    ]
    assert all(body(one)["stream"] is True for one in (CHAT, RESPONSES, MESSAGES))


def test_what_is_asked_stands_where_the_protocol_has_it() -> None:
    more = {"system": "be brief", "max_tokens": 99}
    assert body(CHAT, **more)["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]
    assert body(RESPONSES, **more)["instructions"] == "be brief"
    assert body(RESPONSES, **more)["max_output_tokens"] == 99
    made = body(MESSAGES, **more)
    assert (made["max_tokens"], made["messages"][0]["role"]) == (99, "user")
    assert "be brief" in json.dumps(made["system"])
    assert body(MESSAGES)["max_tokens"] > 0  # which it cannot do without


@pytest.mark.parametrize("protocol", [CHAT, RESPONSES, MESSAGES])
def test_tools_in_any_form_and_pictures_arrive_in_every_protocol(protocol: str) -> None:
    made = body(protocol, tools=json.dumps(TOOLS), images=[PICTURE])
    assert [one.get("function", one)["name"] for one in made["tools"]] == [
        "of_chat",
        "of_responses",
        "of_messages",
    ]
    assert "iVBORw0KGgo=" in json.dumps(made)


def test_what_a_protocol_has_no_place_for_is_told() -> None:
    made = play(MESSAGES, temperature=0.5, effort="low")
    assert any("temperature" in loss for loss in made.losses), made.losses
    assert play(CHAT, temperature=0.5, effort="low").losses == ()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": "{"}, "tools"),
        ({"tools": "[1]"}, "tools"),
        ({"tools": '[{"description": "no name"}]'}, "tools"),
        ({"images": ["http://127.0.0.1/x.png"]}, "images"),
        ({"images": ["data:text/html;base64,PGI+"]}, "images"),
        ({"images": ["data:image/png;base64," + "A" * MOST_IMAGE]}, "images"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused_with_its_field(more: dict[str, Any], param: str) -> None:
    with pytest.raises(PointsmanError) as refused:
        play(CHAT, **more)
    assert (refused.value.kind, refused.value.param) == (ErrorKind.INVALID, param)
