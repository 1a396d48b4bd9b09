"""Calls out of text among the other events of an answer: what stands where, and that cuts change nothing."""

from __future__ import annotations

import json

import pytest

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
from pointsman.conversation.parts import Text, Thinking, ToolCall
from pointsman.conversation.reply import Reply, fold
from pointsman.conversation.request import Request, Tool
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind
from pointsman.translation.adaptation import Adaptation
from pointsman.translation.recovered import RecoveringStages

REQUEST = Request(model="m", tools=[Tool("read")])
CALL = '<tool_call>{"name": "read", "arguments": {"path": "é"}}</tool_call>'


def through(events: list[Event]) -> list[Event]:
    told: list[str] = []
    stages = RecoveringStages(Adaptation(), REQUEST, "req_1", None, told.append, whole=False)
    out = [one for event in events for one in stages.add(event)]
    assert len(told) == sum(isinstance(one, PartStart) and one.call_id.startswith("call_") for one in out)
    return out


def answer(*pieces: str, stop: Stop = Stop.END) -> list[Event]:
    texts = [Delta(0, piece) for piece in pieces if piece]
    return [Started(), PartStart(0, PartKind.TEXT), *texts, PartEnd(0), Finished(stop), Ended()]


def shape(reply: Reply) -> list[object]:
    return [
        (part.name, json.loads(part.arguments)) if isinstance(part, ToolCall) else getattr(part, "text", None)
        for part in reply.parts
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("Words.\n", ["Words.\n"]),
        (CALL, [("read", {"path": "é"})]),
        ("Words.\n" + CALL + "\nMore " + CALL, ["Words.", ("read", {"path": "é"}), "More", ("read", {"path": "é"})]),
        ("a " + CALL[:-4], ["a " + CALL[:-4]]),
    ],
)  # fmt: skip
def test_a_text_may_be_cut_anywhere(text: str, parts: list[object]) -> None:
    whole = fold(through(answer(text)))
    assert shape(whole) == parts
    assert whole.stop is (Stop.TOOL_USE if "</tool_call>" in text else Stop.END)
    ids = [part.id for part in whole.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == len(ids)
    for at in range(len(text)):
        assert fold(through(answer(text[:at], text[at:]))) == whole
    assert fold(through(answer(*text))) == whole


def test_a_limit_stays_a_limit_and_what_was_cut_is_text() -> None:
    whole = fold(through(answer(CALL + CALL[:20], stop=Stop.MAX_TOKENS)))
    assert shape(whole) == [("read", {"path": "é"}), CALL[:20]]
    assert whole.stop is Stop.MAX_TOKENS


def test_what_stands_beside_a_text_keeps_its_place() -> None:
    """A server that tells one call itself, and leaves another one in the text before it."""
    events: list[Event] = [
        Started(), PartStart(0, PartKind.THINKING), Delta(0, CALL), PartEnd(0),
        PartStart(1, PartKind.TEXT), Delta(1, CALL), PartStart(2, PartKind.TOOL, "c", "read"), Delta(1, "on"),
        Delta(2, "{}"), PartEnd(1), PartEnd(2), Finished(Stop.TOOL_USE), Ended(),
    ]  # fmt: skip
    reply = fold(through(events))
    assert [type(part) for part in reply.parts] == [Thinking, ToolCall, ToolCall, Text]
    assert shape(reply) == [CALL, ("read", {"path": "é"}), ("read", {}), "on"]


def test_where_the_server_fails_what_was_held_is_told_as_text() -> None:
    error = PointsmanError(ErrorKind.UPSTREAM_ERROR, "gone")
    out = through([Started(), PartStart(0, PartKind.TEXT), Delta(0, "a " + CALL[:-1]), Failed(error)])
    assert "".join(one.text for one in out if isinstance(one, Delta)) == "a " + CALL[:-1]
    assert out[-1] == Failed(error)
