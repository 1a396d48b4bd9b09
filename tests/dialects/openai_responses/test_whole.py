"""A whole answer for a client of Responses: what its stream would have ended with, whichever way it was made, and kept alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.conversation.events import Stop
from pointsman.conversation.parts import AssistantPart, Citation, Refusal, Text, Thinking, ToolCall
from pointsman.conversation.reply import Reply, unfold
from pointsman.conversation.request import Request
from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.base import Answering
from pointsman.dialects.capsule import Capsules
from pointsman.dialects.openai_responses.writer import ResponsesWriter, render_reply

USAGE = TokenUsage(20, 7, 5)
PARTS: dict[str, list[AssistantPart]] = {
    "a text": [Text("Hello")],
    "an odd text": [Text('"\u00e9\\ \n')],
    "nothing": [],
    "an empty text": [Text("")],
    "a cited text": [Text("Hello", None, (Citation(url="https://a.example/b", title="t", start=0, end=2),))],
    "two texts": [Text("Hel"), Text("lo")],
    "a refusal": [Refusal("no")],
    "a text and a call": [Text("so"), ToolCall("call_1", "f", '{"x":1}')],
    "a thought and a text": [Thinking("hm"), Text("so")],
}
RAW: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "temperature": 0,
    "tools": None,
    "odd": 1,
    "user": "me",
}


FIELDS = {
    "response.output_text.delta": ["content_index", "delta", "logprobs"],
    "response.refusal.delta": ["content_index", "delta"],
    "response.function_call_arguments.delta": ["delta"],
    "response.reasoning_summary_text.delta": ["summary_index", "delta"],
}
"""Of the frames of pieces, as the official library's types have them, behind their item's."""


def answering(kept: list[Any]) -> Answering:
    def keep(name: str, items: Any, shell: bytes = b"", /) -> None:
        kept.append((name, [*items], shell))

    return Answering(Request("m", raw=RAW), "req_0123456789abcdef01", 1_700_000_000, Capsules(b"k"), keep)


@pytest.mark.parametrize("stop", [Stop.END, Stop.MAX_TOKENS, Stop.REFUSAL, Stop.TOOL_USE])
@pytest.mark.parametrize("usage", [None, USAGE], ids=["not counted", "counted"])
@pytest.mark.parametrize("name", PARTS)
def test_a_whole_answer_is_what_its_stream_ends_with(name: str, usage: TokenUsage | None, stop: Stop) -> None:
    reply = Reply("x", "its", PARTS[name], stop, None, "why" if stop is Stop.REFUSAL else None, usage, "flex")
    streamed: list[Any] = []
    whole: list[Any] = []
    writer = ResponsesWriter(answering(streamed))
    told = b"".join(map(writer.write, unfold(reply)))
    last = told.rstrip(b"\n").rpartition(b"\ndata: ")[2]
    body = render_reply(reply, answering(whole))
    assert (
        body == json.dumps(json.loads(last)["response"], separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert whole == streamed
    assert len(whole) == 1


@pytest.mark.parametrize("name", PARTS)
def test_the_frames_of_a_stream_are_numbered_and_its_pieces_add_up(name: str) -> None:
    writer = ResponsesWriter(answering([]))
    told = b"".join(map(writer.write, unfold(Reply("x", "its", PARTS[name], usage=USAGE))))
    frames = [event.partition(b"\ndata: ") for event in told.split(b"\n\n")[:-1]]
    events = [json.loads(data) for _, _, data in frames]
    assert [head.decode() for head, _, _ in frames] == [f"event: {event['type']}" for event in events]
    for event in events:
        if event["type"] in FIELDS:
            assert [*event] == ["type", "sequence_number", "item_id", "output_index", *FIELDS[event["type"]]]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    said = {"delta": "", "done": ""}
    for event in events:
        kind = event["type"].rpartition(".")[2]
        if kind in said and event["type"].startswith(
            ("response.output_text", "response.refusal", "response.function_call")
        ):
            said[kind] += (
                event.get("delta")
                or event.get("text")
                or event.get("refusal")
                or event.get("arguments")
                or ""
            )
    assert said["delta"] == said["done"]
