"""Messages and Responses: one verdict on every path, of answers as they might come, whole, streamed, cut, and garbled.

Every answer is made twice from one plan, as a stream and whole, by code that knows nothing of ours.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.conversation.events import Stop
from pointsman.kinds import ErrorKind, Protocol
from tests.conformance.recordings import Recording, recordings
from tests.vendor_bodies.wire import encoded, named

from .reading import cut
from .verdicts import agree, whole

MESSAGES, RESPONSES = Protocol.ANTHROPIC_MESSAGES, Protocol.OPENAI_RESPONSES
often = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Plan:
    """parts: (kind, text) of text | thinking | signed | call | vendor | refusal. reason: in the protocol's own words.
    error: an error object that ends the stream."""

    parts: tuple[tuple[str, str], ...]
    reason: str | None
    usage: dict[str, Any] | None = None
    error: Any = None


words = st.sampled_from(["", " ", "\n\n", "a", " b ", "é" * 30])
errors = st.sampled_from(
    [
        None,
        None,
        None,
        {"type": "overloaded_error", "message": "busy"},
        {"type": "rate_limit_error", "message": "slow down"},
        {"code": 503, "message": "down"},
        {"code": "context_length_exceeded", "message": "too long"},
        "boom",
    ]
)
counts = st.none() | st.fixed_dictionaries(
    {"input_tokens": st.integers(0, 9), "output_tokens": st.integers(0, 9)}
)


def plans(kinds: list[str], reasons: list[str | None]) -> st.SearchStrategy[Plan]:
    parts = st.lists(st.tuples(st.sampled_from(kinds), words), max_size=4).map(tuple)
    return st.builds(Plan, parts, st.sampled_from(reasons), counts, errors)


messages_plans = plans(
    ["text", "thinking", "signed", "redacted", "call", "vendor"],
    [
        "end_turn", "tool_use", "stop_sequence", "max_tokens", "refusal", "pause_turn", "brand_new",
        "model_context_window_exceeded", None,
    ],
)  # fmt: skip
responses_plans = plans(
    ["text", "refusal", "thinking", "sealed", "call", "vendor"],
    ["completed", "incomplete", "max_output_tokens", "content_filter", "failed", "cancelled"],
)


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


# -- Messages


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


def messages_whole(plan: Plan) -> dict[str, Any]:
    if plan.error is not None:
        return {"type": "error", "error": plan.error}
    content = [block_of(kind, text, index) for index, (kind, text) in enumerate(plan.parts)]
    return {
        "type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": content,
        "stop_reason": plan.reason, "stop_sequence": None, "usage": plan.usage,
    }  # fmt: skip


def messages_stream(plan: Plan) -> list[dict[str, Any]]:
    message = {"id": "msg_1", "type": "message", "model": "m", "content": [], "usage": plan.usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
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
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": one} for one in deltas]
        events.append({"type": "content_block_stop", "index": index})
    if plan.error is not None:
        return [*events, {"type": "error", "error": plan.error}]
    delta = {"stop_reason": plan.reason, "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": delta}, {"type": "message_stop"}]


# -- Responses


def item_of(kind: str, text: str, index: int) -> dict[str, Any]:
    match kind:
        case "text" | "refusal":
            part = {"type": "output_text", "text": text, "annotations": []}
            content = [part if kind == "text" else {"type": "refusal", "refusal": text}]
            return {"id": f"i{index}", "type": "message", "role": "assistant", "content": content}
        case "thinking" | "sealed":
            summary = [{"type": "summary_text", "text": text}] if text else []
            item: dict[str, Any] = {"id": f"i{index}", "type": "reasoning", "summary": summary}
            return item | ({"encrypted_content": "x"} if kind == "sealed" else {})
        case "call":
            return {
                "id": f"i{index}", "type": "function_call", "call_id": f"c{index}", "name": "f",
                "arguments": json.dumps({"a": text}),
            }  # fmt: skip
    return {"id": f"i{index}", "type": "web_search_call", "status": "completed"}


def response_of(plan: Plan) -> dict[str, Any]:
    output = [item_of(kind, text, index) for index, (kind, text) in enumerate(plan.parts)]
    known = ("completed", "incomplete", "failed", "cancelled")
    status = plan.reason if plan.reason in known else "incomplete"
    details = None if plan.reason in known else {"reason": plan.reason}
    failed = {"code": "server_error", "message": "it failed"} if status == "failed" else None
    return {
        "id": "resp_1", "object": "response", "model": "m", "status": status, "output": output,
        "incomplete_details": details, "error": failed, "usage": plan.usage,
    }  # fmt: skip


def responses_whole(plan: Plan) -> dict[str, Any]:
    return {"error": plan.error} if plan.error is not None else response_of(plan)


def responses_stream(plan: Plan) -> list[dict[str, Any]]:
    final = response_of(plan)
    first = final | {"status": "in_progress", "output": [], "usage": None, "error": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": first}]
    for index, (kind, text) in enumerate(plan.parts):
        done = item_of(kind, text, index)
        place = {"output_index": index}
        empty = {key: [] if isinstance(value, list) else value for key, value in done.items()}
        empty |= {"arguments": ""} if kind == "call" else {}
        empty.pop("encrypted_content", None)
        events.append({"type": "response.output_item.added", **place, "item": empty})
        name = {
            "text": "output_text", "refusal": "refusal", "thinking": "reasoning_summary_text",
            "sealed": "reasoning_summary_text", "call": "function_call_arguments",
        }.get(kind)  # fmt: skip
        said = done["arguments"] if kind == "call" else text
        if name is not None:
            kind_ = f"response.{name}.delta"
            events += [{"type": kind_, **place, "delta": half} for half in halves(said)]
        events.append({"type": "response.output_item.done", **place, "item": done})
    if plan.error is not None:
        return [*events, {"type": "error", "error": plan.error}]
    return [*events, {"type": f"response.{final['status']}", "response": final}]


BOTH = {MESSAGES: (messages_plans, messages_stream, messages_whole), RESPONSES: (responses_plans, responses_stream, responses_whole)}  # fmt: skip
each = pytest.mark.parametrize("protocol", list(BOTH))


@each
@often
@given(data=st.data())
def test_the_verdict_is_one(protocol: Protocol, data: st.DataObject) -> None:
    """Passed, translated, whole: equal. In pieces of any size, and after a cut anywhere."""
    made, stream_of, whole_of = BOTH[protocol]
    plan = data.draw(made)
    raw = named(*stream_of(plan))
    verdict = agree(protocol, [raw])
    body = whole(protocol, encoded(whole_of(plan)))
    if plan.error is None:
        assert body == verdict
    else:  # an error takes the place of the whole answer, so only what it says is the same
        assert body.error == verdict.error
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=5))
    assert agree(protocol, cut(raw, places)) == verdict
    end = data.draw(st.integers(0, len(raw)))
    agree(protocol, [raw[:end]])


NOISE = [
    b": comment\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'event: brand_new\ndata: {"type": "brand_new", "index": 1}\n\n',
    b"data: {nope\n\n",
    b"\n\n",
]


@each
@often
@given(data=st.data())
def test_frames_that_mean_nothing_change_no_verdict(protocol: Protocol, data: st.DataObject) -> None:
    made, stream_of, _ = BOTH[protocol]
    events = [named(event) for event in stream_of(data.draw(made))]
    noise = [data.draw(st.sampled_from(NOISE)) + event for event in events]
    assert agree(protocol, [b"".join(noise), b"data: [DONE]\n\n"]) == agree(protocol, events)


@each
@often
@given(data=st.data())
def test_events_out_of_order_repeated_or_left_out_are_judged_alike(
    protocol: Protocol, data: st.DataObject
) -> None:
    made, stream_of, _ = BOTH[protocol]
    events = [event for plan in (data.draw(made), data.draw(made)) for event in stream_of(plan)]
    picked = data.draw(st.lists(st.sampled_from(events), max_size=12))
    agree(protocol, [named(event) for event in picked])


MESSAGES_VERDICTS: dict[str, tuple[Plan, tuple[bool, Stop | None, bool, ErrorKind | None]]] = {
    "an answer": (Plan((("text", "a"),), "end_turn"), (True, Stop.END, False, None)),
    "white space": (Plan((("text", "\n"),), "end_turn"), (False, Stop.END, False, None)),
    "white space and a limit": (Plan((("text", "\n"),), "max_tokens"), (True, Stop.MAX_TOKENS, False, None)),
    "a refusal without text": (Plan((), "refusal"), (True, Stop.REFUSAL, True, None)),
    "no reason": (Plan((("text", "a"),), None), (True, None, False, ErrorKind.UPSTREAM_ERROR)),
    "a call, and end_turn": (Plan((("call", "a"),), "brand_new"), (True, Stop.TOOL_USE, False, None)),
}
RESPONSES_VERDICTS: dict[str, tuple[Plan, tuple[bool, Stop | None, bool, ErrorKind | None]]] = {
    "an answer": (Plan((("text", "a"),), "completed"), (True, Stop.END, False, None)),
    "white space": (Plan((("text", "\n"),), "completed"), (False, Stop.END, False, None)),
    "a limit": (Plan((), "max_output_tokens"), (True, Stop.MAX_TOKENS, False, None)),
    "a filter without text": (Plan((), "content_filter"), (True, Stop.REFUSAL, True, None)),
    "a refusal in words": (Plan((("refusal", "no"),), "completed"), (True, Stop.REFUSAL, True, None)),
    "a call": (Plan((("call", "a"),), "completed"), (True, Stop.TOOL_USE, False, None)),
    "empty reasoning": (Plan((("thinking", ""),), "completed"), (False, Stop.END, False, None)),
    "failed": (Plan((), "failed"), (False, None, False, ErrorKind.UPSTREAM_ERROR)),
    "cancelled": (Plan((), "cancelled"), (False, None, False, ErrorKind.UPSTREAM_ERROR)),
}
ROWS = [(MESSAGES, name) for name in MESSAGES_VERDICTS] + [(RESPONSES, name) for name in RESPONSES_VERDICTS]


@pytest.mark.parametrize(("protocol", "name"), ROWS, ids=lambda value: str(value))
def test_what_the_verdict_is(protocol: Protocol, name: str) -> None:
    _, stream_of, whole_of = BOTH[protocol]
    plan, expected = (MESSAGES_VERDICTS if protocol is MESSAGES else RESPONSES_VERDICTS)[name]
    verdict = agree(protocol, [named(*stream_of(plan))])
    assert whole(protocol, encoded(whole_of(plan))) == verdict
    kind = verdict.error[0] if verdict.error is not None else None
    assert (verdict.answered, verdict.stop, verdict.refused, kind) == expected


# -- recorded answers of real servers

PATHS = {"/v1/messages": MESSAGES, "/v1/responses": RESPONSES}


def recorded(stream: bool) -> Any:
    """Parametrizes over the recordings; without any: one test, skipped, that says so."""
    found = [r for r in recordings() if r.status == 200 and r.stream is stream and r.path in PATHS]
    absent = pytest.param(None, marks=pytest.mark.skip(reason="NO RECORDINGS: set POINTSMAN_CONFORMANCE"))
    return pytest.mark.parametrize("recording", found or [absent], ids=str)


def whole_of_recorded(raw: bytes) -> dict[str, Any]:
    """The whole answer that a recorded stream tells, by plain reading."""
    lines = [line[5:] for line in raw.decode().splitlines() if line.startswith("data:")]
    events = [json.loads(line) for line in lines if line.strip() != "[DONE]"]
    if "response" in events[-1]:
        final: dict[str, Any] = events[-1]["response"]
        return final
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


@recorded(stream=True)
def test_a_recorded_stream_has_one_verdict(recording: Recording) -> None:
    protocol, raw = PATHS[recording.path], recording.response
    verdict = agree(protocol, [raw])
    assert (verdict.answered, verdict.finished, verdict.error) == (True, True, None)
    assert whole(protocol, encoded(whole_of_recorded(raw))) == verdict
    dice = random.Random(recording.name)
    for pieces in (1, 4, 30):
        assert agree(protocol, cut(raw, [dice.randrange(len(raw)) for _ in range(pieces)])) == verdict
    for _ in range(8):
        agree(protocol, [raw[: dice.randrange(len(raw))]])


@recorded(stream=False)
def test_a_recorded_whole_answer_has_one_verdict(recording: Recording) -> None:
    verdict = whole(PATHS[recording.path], recording.response)
    assert (verdict.answered, verdict.finished, verdict.error) == (True, True, None)
    assert verdict.usage is not None
    assert verdict.stop is not None
