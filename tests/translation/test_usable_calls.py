"""Calls of weak models, as a client's SDK and our own next request take them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.events import (
    Delta,
    Ended,
    Event,
    Failed,
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
from pointsman.errors import PointsmanError
from pointsman.translation.adaptation import Adaptation
from pointsman.translation.heal import heal
from pointsman.translation.stream import Stages
from pointsman.translation.usable_calls import NAMELESS, as_object
from pointsman.wire.objecttext import ObjectText

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
MEANT = [
    ('{"x":1}</tool_call>', '{"x":1}'),
    ('{"x":1}}', '{"x":1}'),
    ('{"x":1}{"x":1}', '{"x":1}'),
    ('{}{"x":1}', '{"x":1}'),
    ('{"x":"a\nb\tc"}', '{"x":"a\\nb\\tc"}'),
    ('{"x":"it\\\'s \\d"}', '{"x":"it\'s \\\\d"}'),
    ('{"x":[1,2,],}', '{"x":[1,2]}'),
    ('{"x":NaN,"y":[True,None]}', '{"x":null,"y":[true,null]}'),
    ('{"x": {"y": "}{,"}}', '{"x": {"y": "}{,"}}'),
    ("{'x': True}", '{"x":true}'),
    ('```json\n{"x":1}\n```', '{"x":1}'),
    ("{}", "{}"),
]
"""(arguments, what only can be meant)."""
BROKEN = ['{"cmd":"echo "hi""}', '{"x":1 "y":2}', '{"x":1..2}', '{"x" 1}', '{"x":[1}]}']


def told(*pieces: str, name: str = "f", kind: ToolKind = ToolKind.FUNCTION, tools: tuple[str, ...] = ("f", "g"), whole: bool = False) -> ToolCall:  # fmt: skip
    request = Request("m", tools=[Tool(one) for one in tools])
    stages = Stages(Adaptation(), request, whole=whole)
    events: list[Event] = [Started(), PartStart(0, PartKind.TOOL, "c", name, kind)]
    events += [Delta(0, piece) for piece in pieces if piece]
    events += [PartEnd(0), Finished(Stop.TOOL_USE), Ended()]
    ready = [one for event in events for one in stages.add(event)]
    for one in ready:
        if isinstance(one, Failed):
            raise one.error
    (call,) = fold(ready).parts
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


@pytest.mark.parametrize(("text", "meant"), MEANT)
def test_arguments_that_a_model_wrote_badly_are_json_for_every_client(text: str, meant: str) -> None:
    assert as_object(text) == meant
    for whole in (False, True):
        assert told(text, whole=whole).arguments == meant
        assert told(*text, whole=whole).arguments == meant
    assert isinstance(json.loads(meant), dict)


@pytest.mark.parametrize("text", BROKEN)
def test_arguments_that_are_no_json_are_never_streamed_as_if_they_were(text: str) -> None:
    """Their beginning has been told: the client would run another call than the model meant."""
    with pytest.raises(PointsmanError, match="are not JSON"):
        told(*text)
    with pytest.raises(PointsmanError, match="are not JSON"):
        told(text)
    assert list(json.loads(told(*text, whole=True).arguments)) == ["INVALID_JSON"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value=st.dictionaries(st.text(), values), data=st.data(), indent=st.sampled_from([None, 1]))
def test_an_object_comes_through_as_it_is_however_it_is_cut(
    value: dict[str, Any], data: st.DataObject, indent: int | None
) -> None:
    text = json.dumps(value, indent=indent)
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0})
    pieces = [text[start:end] for start, end in zip(places, [*places[1:], len(text)], strict=True)]
    reader = ObjectText()
    assert "".join(reader.feed(piece) for piece in pieces) == text
    assert (reader.closed, reader.broken, reader.mended) == (True, False, False)


@given(
    pieces=st.lists(
        st.sampled_from(['{"', '"', "a", ":", ",", "[", "]", "{", "}", "1", "\\", "\n", "'", " "])
    )
)
def test_what_is_passed_of_anything_is_json_or_its_beginning(pieces: list[str]) -> None:
    reader = ObjectText()
    passed = reader.feed("{") + "".join(reader.feed(piece) for piece in pieces)
    if reader.closed:
        assert isinstance(json.loads(passed), dict)
