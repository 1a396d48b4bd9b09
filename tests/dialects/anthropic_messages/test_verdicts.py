"""Messages: one verdict on every path, of a stream of blocks."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from pointsman.dialects.base import Verdict
from pointsman.kinds import ErrorKind, Protocol
from tests.vendor_bodies import messages
from tests.vendor_bodies.wire import named

from ..blocks import Plan, halves, plans
from ..one_verdict import CALLED, GOOD, LIMIT, REFUSED, SILENT, Judged, OneVerdict, Recorded
from ..verdicts import agree


def block_of(kind: str, text: str, index: int) -> dict[str, Any]:
    match kind:
        case "text":
            return {"type": "text", "text": text}
        case "thinking":
            return {"type": "thinking", "thinking": text, "signature": ""}
        case "signed":
            return {"type": "thinking", "thinking": text, "signature": "s"}
        case "redacted":
            return {"type": "redacted_thinking", "data": "d"}
        case "call":
            return {"type": "tool_use", "id": f"t{index}", "name": "f", "input": {"a": text}}
    return {"type": "server_tool_use", "id": f"s{index}", "name": "web_search", "input": {"q": text}}


def whole_of(plan: Plan) -> dict[str, Any]:
    if plan.error is not None:
        return {"type": "error", "error": plan.error}
    content = [block_of(kind, text, index) for index, (kind, text) in enumerate(plan.parts)]
    return messages.whole(content, plan.reason) | {"usage": plan.usage}


def stream_of(plan: Plan) -> list[dict[str, Any]]:
    events = [messages.started(usage=plan.usage)]
    for index, (kind, text) in enumerate(plan.parts):
        done = block_of(kind, text, index)
        deltas: list[dict[str, Any]] = []
        start = dict(done)
        match kind:
            case "text":
                start["text"] = ""
                deltas = [{"type": "text_delta", "text": half} for half in halves(text)]
            case "thinking" | "signed":
                start |= {"thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": half} for half in halves(text)]
                deltas.append({"type": "signature_delta", "signature": done["signature"]})
            case "call" | "vendor":
                start["input"] = {}
                halved = halves(json.dumps(done["input"]))
                deltas = [{"type": "input_json_delta", "partial_json": half} for half in halved]
        events += messages.block(index, start, *deltas)
    if plan.error is not None:
        return [*events, {"type": "error", "error": plan.error}]
    last = messages.ended(plan.reason)
    del last[0]["usage"]  # counted at the start
    return [*events, *last]


class TestVerdict(OneVerdict):
    protocol = Protocol.ANTHROPIC_MESSAGES
    plans = plans(
        ["text", "thinking", "signed", "redacted", "call", "vendor"],
        [
            "end_turn", "tool_use", "stop_sequence", "max_tokens", "refusal", "pause_turn", "brand_new",
            "model_context_window_exceeded", None,
        ],
    )  # fmt: skip
    table: ClassVar = {
        "an answer": (Plan((("text", "a"),), "end_turn"), GOOD),
        "white space": (Plan((("text", "\n"),), "end_turn"), SILENT),
        "white space and a limit": (Plan((("text", "\n"),), "max_tokens"), LIMIT),
        "a refusal without text": (Plan((), "refusal"), REFUSED),
        "no reason": (Plan((("text", "a"),), None), Judged(True, False, error=ErrorKind.UPSTREAM_ERROR)),
        "a call, and a new reason": (Plan((("call", "a"),), "brand_new"), CALLED),
    }

    def events(self, plan: Plan) -> list[bytes]:
        return [named(event) for event in stream_of(plan)]

    def whole_of(self, plan: Plan, verdict: Verdict) -> Any:
        return whole_of(plan)


REASONS = ("end_turn", "tool_use", "stop_sequence", "max_tokens", "refusal", "pause_turn", "brand_new")


@pytest.mark.parametrize("first", REASONS)
@pytest.mark.parametrize("last", REASONS)
def test_of_two_reasons_to_stop_the_last_counts_on_every_path(first: str, last: str) -> None:
    told = [messages.ended(reason)[0] for reason in (first, last)]
    both = agree(Protocol.ANTHROPIC_MESSAGES, [named(messages.started(), *told, messages.ended(last)[-1])])
    alone = agree(Protocol.ANTHROPIC_MESSAGES, [named(messages.started(), *messages.ended(last))])
    assert (both.answered, both.refused, both.stop) == (alone.answered, alone.refused, alone.stop)


class TestRecorded(Recorded):
    protocol = Protocol.ANTHROPIC_MESSAGES
    path = "/v1/messages"

    def whole_of_stream(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        message: dict[str, Any] = events[0]["message"]
        for event in events:
            if event["type"] == "content_block_start":
                message["content"].append(event["content_block"])
            elif event["type"] == "content_block_delta":
                block = message["content"][event["index"]]
                for key in ("text", "thinking", "signature"):
                    block[key] = block.get(key, "") + event["delta"].get(key, "")
            elif event["type"] == "message_delta":
                told = {key: number for key, number in event["usage"].items() if number is not None}
                message |= event["delta"] | {"usage": message["usage"] | told}
        return message
