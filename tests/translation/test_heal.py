"""conversation.heal: any history becomes a legal one; a legal one is left alone."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Image, Part, Text, Thinking, ToolCall, ToolKind, ToolResult
from pointsman.conversation.request import Message, Request, Role
from pointsman.errors import PointsmanError
from pointsman.translation.heal import NO_RESULT, _Healer, heal

USER, ASSISTANT, SYSTEM = Role.USER, Role.ASSISTANT, Role.SYSTEM


def call(id: str, arguments: str = "{}", kind: ToolKind = ToolKind.FUNCTION) -> ToolCall:
    return ToolCall(id, "f", arguments, kind, path=f"tool_call[{id}]")


def result(id: str, text: str = "ok", kind: ToolKind = ToolKind.FUNCTION) -> ToolResult:
    return ToolResult(id, (Text(text),), kind=kind, path=f"tool_result[{id}]")


def missing(id: str) -> ToolResult:
    return ToolResult(id, (Text(NO_RESULT),), True)


def user(*parts: Part | str) -> Message:
    return Message(USER, [Text(part) if isinstance(part, str) else part for part in parts])


def assistant(*parts: Part | str) -> Message:
    return Message(ASSISTANT, [Text(part) if isinstance(part, str) else part for part in parts])


def system(text: str) -> Message:
    return Message(SYSTEM, [Text(text)])


def healed(*messages: Message, strict: bool = False) -> tuple[list[Message], list[str]]:
    request = Request("m", messages=list(messages))
    before = deepcopy(request)
    notes = Notes(strict)
    done = heal(request, notes)
    assert request == before, "the input is not changed"
    return done.messages, notes.warnings


CASES: dict[str, tuple[list[Message], list[Message], list[str]]] = {
    "results of one turn, each a message": (
        [user("q"), assistant(call("a"), call("b")), user(result("a")), user(result("b")), user("next")],
        [user("q"), assistant(call("a"), call("b")), user(result("a"), result("b"), "next")],
        [],
    ),
    "results in another order than the calls": (
        [assistant(call("a"), call("b")), user(result("b")), user(result("a"))],
        [assistant(call("a"), call("b")), user(result("a"), result("b"))],
        [],
    ),
    "text before the result": (
        [assistant(call("a")), user("see", result("a"))],
        [assistant(call("a")), user(result("a"), "see")],
        [],
    ),
    "something said before the result came": (
        [assistant(call("a")), user("hurry"), user(result("a")), user("thanks"), assistant("x")],
        [assistant(call("a")), user(result("a"), "hurry"), user("thanks"), assistant("x")],
        [],
    ),
    "a system message between call and result": (
        [assistant(call("a")), system("s"), user(result("a")), user("next")],
        [assistant(call("a")), user(result("a")), system("s"), user("next")],
        [],
    ),
    "a system message between two results": (
        [assistant(call("a"), call("b")), user(result("a")), system("s"), user(result("b"))],
        [assistant(call("a"), call("b")), user(result("a"), result("b")), system("s")],
        [],
    ),
    "calls over two messages of one turn": (
        [assistant(Thinking("t"), call("a")), assistant(call("b")), user(result("a"), result("b"))],
        [assistant(Thinking("t"), call("a"), call("b")), user(result("a"), result("b"))],
        [],
    ),
    "an orphan": (
        [user("q"), user(result("x")), assistant("a")],
        [user("q"), assistant("a")],
        ["repaired:tool_result[x]"],
    ),
    "a result for an earlier turn": (
        [assistant(call("a")), user(result("a")), assistant("x"), user(result("a"), "more")],
        [assistant(call("a")), user(result("a")), assistant("x"), user("more")],
        ["repaired:tool_result[a]"],
    ),
    "no result, then the user goes on": (
        [assistant(call("a")), user("never mind")],
        [assistant(call("a")), user(missing("a"), "never mind")],
        ["repaired:tool_call[a]"],
    ),
    "no result, then the end": (
        [assistant(call("a"), call("b")), user(result("b"))],
        [assistant(call("a"), call("b")), user(missing("a"), result("b"))],
        ["repaired:tool_call[a]"],
    ),
    "arguments that are no JSON": (
        [assistant(call("a", '{"x": ')), user(result("a"))],
        [assistant(call("a", '{"INVALID_JSON":"{\\"x\\": "}')), user(result("a"))],
        ["repaired:tool_call[a]"],
    ),
    "arguments that are no object": (
        [assistant(call("a", "[1]")), user(result("a"))],
        [assistant(call("a", '{"INVALID_JSON":"[1]"}')), user(result("a"))],
        ["repaired:tool_call[a]"],
    ),
    "arguments of a custom tool are free text": (
        [assistant(call("a", "[1", ToolKind.CUSTOM)), user(result("a"))],
        [assistant(call("a", "[1", ToolKind.CUSTOM)), user(result("a", kind=ToolKind.CUSTOM))],
        [],
    ),
    "no arguments": (
        [assistant(call("a", ""), call("b", " \n")), user(result("a"), result("b"))],
        [assistant(call("a", ""), call("b", "")), user(result("a"), result("b"))],
        [],
    ),
    "one id twice in a turn": (
        [assistant(call("a"), call("a")), user(result("a", "1")), user(result("a", "2"))],
        [assistant(call("a"), call("a_2")), user(result("a", "1"), result("a_2", "2"))],
        ["repaired:tool_call[a]"],
    ),
    "one id in two turns": (
        [assistant(call("a")), user(result("a", "1")), assistant(call("a")), user(result("a", "2"))],
        [assistant(call("a")), user(result("a", "1")), assistant(call("a_2")), user(result("a_2", "2"))],
        ["repaired:tool_call[a]"],
    ),
    "an id that the suffix would give": (
        [
            assistant(call("a_2"), call("a"), call("a")),
            user(result("a_2"), result("a", "1"), result("a", "2")),
        ],
        [
            assistant(call("a_2"), call("a"), call("a_3")),
            user(result("a_2"), result("a", "1"), result("a_3", "2")),
        ],
        ["repaired:tool_call[a]"],
    ),
    "two results for one call": (
        [assistant(call("a")), user(result("a", "1"), result("a", "2"))],
        [assistant(call("a")), user(result("a", "1"))],
        ["repaired:tool_result[a]"],
    ),
    "empty messages": ([user(), user("q"), assistant()], [user("q")], []),
    "empty messages among calls": (
        [user(), assistant(call("a")), user(), user(result("a")), assistant()],
        [assistant(call("a")), user(result("a"))],
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_history(case: str) -> None:
    messages, expected, warnings = CASES[case]
    assert healed(*messages) == (expected, warnings)
    if warnings:
        with pytest.raises(PointsmanError) as caught:
            healed(*messages, strict=True)
        assert caught.value.status == 400
        assert caught.value.param == warnings[0].removeprefix("repaired:")
    else:
        healed(*messages, strict=True)


@pytest.mark.parametrize(
    "messages",
    [
        [user("q"), assistant("a"), user("b")],
        [
            user("q"),
            assistant(Thinking("t"), "a", call("a"), call("b", '{"x": 1}')),
            user(result("a"), result("b"), "and"),
            system("s"),
            assistant("c"),
        ],
    ],
)
def test_a_legal_history_is_the_same_object(messages: list[Message]) -> None:
    request = Request("m", messages=messages)
    assert heal(request, Notes(strict=True)) is request


def test_the_speakers_name_stays() -> None:
    told = Message(USER, [Text("hi")], name="Ada")
    messages, _ = healed(assistant(call("a")), user(result("a")), told)
    assert messages[-1] == Message(USER, [result("a"), Text("hi")], name="Ada")


IDS = st.sampled_from(["a", "b", "a_2", "c"])
CALLS = st.builds(call, IDS, st.sampled_from(["{}", "", "{", "1", '{"x": "y"}']), st.sampled_from(ToolKind))
ASSISTANT_PARTS = st.one_of(CALLS, CALLS, st.just(Text("t")), st.just(Thinking("th")))
USER_PARTS = st.one_of(
    st.builds(result, IDS), st.builds(result, IDS), st.just(Text("u")), st.just(Image(url="i"))
)
MESSAGES = st.one_of(
    st.builds(Message, st.just(ASSISTANT), st.lists(ASSISTANT_PARTS, max_size=3)),
    st.builds(Message, st.just(USER), st.lists(USER_PARTS, max_size=3)),
    st.just(system("s")),
)
HISTORIES = st.lists(MESSAGES, max_size=8)


def check_legal(messages: list[Message]) -> None:
    """The rules of docs/protocols/messages.md#turns-in-messages, of tool calls and results."""
    seen: set[str] = set()
    for at, message in enumerate(messages):
        assert message.parts
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        assert not calls or message.role is ASSISTANT
        assert message.parts[: len(results)] == results, "results first"
        for one in calls:
            assert one.id not in seen
            seen.add(one.id)
            if one.kind is ToolKind.FUNCTION and one.arguments:
                assert isinstance(json.loads(one.arguments), dict)
        before = messages[at - 1] if at else Message(USER, [])
        asked = [(part.id, part.kind) for part in before.parts if isinstance(part, ToolCall)]
        assert [(part.call_id, part.kind) for part in results] == asked
    if messages:
        assert not any(isinstance(part, ToolCall) for part in messages[-1].parts)


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
@example([assistant(call("a")), user(result("a")), assistant(), user("u")])
def test_any_history_becomes_legal_and_stays_so(messages: list[Message]) -> None:
    done, _ = healed(*messages)
    check_legal(done)
    assert healed(*done, strict=True) == (done, []), "idempotent"


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_only_what_answers_nothing_is_lost(messages: list[Message]) -> None:
    def told(messages: list[Message], *kinds: type) -> list[Any]:
        return [part for message in messages for part in message.parts if isinstance(part, kinds)]

    done, warnings = healed(*messages)
    for kinds in ((Text, Image), (Thinking,)):
        assert told(done, *kinds) == told(messages, *kinds)
    assert len(told(done, ToolCall)) == len(told(messages, ToolCall))
    kept = [part for part in told(done, ToolResult) if not part.is_error]
    lost = len(told(messages, ToolResult)) - len(kept)
    assert bool(lost) == any("tool_result" in one for one in warnings)


class Healed(_Healer):
    """Takes no turn as legal by a look."""

    def _legal(self, message: Message, answer: Message, then: Message | None) -> bool:
        return False


@settings(max_examples=150, deadline=None)
@given(HISTORIES)
@example([assistant(call("a")), user(result("a")), user("u"), assistant(call("a")), user(result("a"), "u")])
def test_a_turn_that_is_legal_by_a_look_would_not_have_been_changed(messages: list[Message]) -> None:
    looked, all_healed = Notes(), Notes()
    found = [message for message in messages if message.parts]
    done = _Healer(looked).whole(found)
    assert done == Healed(all_healed).whole(found)
    assert looked.warnings == all_healed.warnings


def flat(messages: list[Message]) -> list[tuple[Role, Part]]:
    return [(message.role, part) for message in messages for part in message.parts]


@settings(max_examples=100, deadline=None)
@given(HISTORIES, st.data())
def test_a_longer_history_begins_with_the_shorter_one(messages: list[Message], data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(messages)))
    shorter, _ = healed(*messages[:size])
    longer, _ = healed(*messages)
    parts = flat(shorter)
    last = max((at for at, message in enumerate(shorter) if message.role is ASSISTANT), default=0)
    if any(isinstance(part, ToolResult) and part.is_error for _, part in flat(shorter[last:])):
        parts = flat(shorter[:last])  # the calls of the last turn may still be answered
    assert flat(longer)[: len(parts)] == parts
