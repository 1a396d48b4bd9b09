"""Calls of weak models, as a client's SDK and our own next request take them."""

from __future__ import annotations

import json

import pytest

from pointsman.conversation.events import (
    Delta,
    Ended,
    Event,
    Finished,
    PartEnd,
    PartKind,
    PartStart,
    Started,
    Stop,
)
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import ToolCall, ToolKind
from pointsman.conversation.reply import fold
from pointsman.conversation.request import Message, Request, Role, Tool
from pointsman.translation.adaptation import Adaptation
from pointsman.translation.heal import heal
from pointsman.translation.stream import Stages
from pointsman.translation.usable_calls import NAMELESS, as_object

KEPT = [
    ('{"city":"Rome"}', '{"city":"Rome"}'),
    ('  {"city":"Rome"}', '  {"city":"Rome"}'),
    (json.dumps('{"city":"Rome"}'), '{"city":"Rome"}'),
    ("", ""),
    (" \n", ""),
    ('["Rome"]', '{"INVALID_JSON":"[\\"Rome\\"]"}'),
    ('"Rome"', '{"INVALID_JSON":"\\"Rome\\""}'),
    ("7", '{"INVALID_JSON":"7"}'),
    ("null", '{"INVALID_JSON":"null"}'),
    ("Rome", '{"INVALID_JSON":"Rome"}'),
]


def told(*pieces: str, name: str = "f", kind: ToolKind = ToolKind.FUNCTION, tools: tuple[str, ...] = ("f", "g")) -> ToolCall:  # fmt: skip
    request = Request("m", tools=[Tool(one) for one in tools])
    stages = Stages(Adaptation(), request)
    events: list[Event] = [Started(), PartStart(0, PartKind.TOOL, "c", name, kind)]
    events += [Delta(0, piece) for piece in pieces if piece]
    events += [PartEnd(0), Finished(Stop.TOOL_USE), Ended()]
    (call,) = fold(one for event in events for one in stages.add(event)).parts
    assert isinstance(call, ToolCall)
    return call


@pytest.mark.parametrize(("text", "kept"), KEPT)
def test_arguments_that_are_json_but_no_object_reach_the_client_as_one(text: str, kept: str) -> None:
    assert told(text).arguments == kept
    assert told(*text).arguments == kept  # a character at a time
    assert as_object(text) == kept
    assert as_object(kept) == kept  # what we told is taken back as it is


def test_an_object_streams_on_while_it_comes() -> None:
    stages = Stages(Adaptation(), Request("m"))
    list(stages.add(PartStart(0, PartKind.TOOL, "c", "f")))
    assert list(stages.add(Delta(0, " "))) == []
    assert list(stages.add(Delta(0, '{"a"'))) == [Delta(0, ' {"a"')]
    assert list(stages.add(Delta(0, ":1}"))) == [Delta(0, ":1}")]


def test_a_custom_tools_input_is_nobodys_json() -> None:
    assert told('"free', " text", kind=ToolKind.CUSTOM).arguments == '"free text'


@pytest.mark.parametrize(("tools", "name"), [(("f",), "f"), (("f", "g"), NAMELESS), ((), NAMELESS)])
def test_a_call_without_a_name_gets_one(tools: tuple[str, ...], name: str) -> None:
    assert told("{}", name="", tools=tools).name == name


@pytest.mark.parametrize(("text", "kept"), KEPT)
def test_a_history_is_healed_by_the_same_rule(text: str, kept: str) -> None:
    request = Request("m", messages=[Message(Role.ASSISTANT, [ToolCall("c", "f", text)])])
    call = heal(request, Notes()).messages[0].parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == kept
