"""Chat: one verdict on every path, of answers as they might come, whole, streamed, cut, and garbled.

The same properties as test_verdicts_of_blocks.py, for the protocol whose stream has no blocks.
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
from pointsman.conversation.parts import Text, Thinking
from pointsman.conversation.reply import fold
from pointsman.kinds import ErrorKind, Protocol
from tests.conformance.recordings import Recording, recordings
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded, sse

from .reading import cut
from .verdicts import agree, reader_of, straight, translated, whole

CHAT = Protocol.OPENAI_CHAT

often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Plan:
    """deltas: what each chunk says. reason: the finish_reason, "" and None for none. done: `[DONE]` follows.
    inside: the name under which a chunk carries what it says."""

    deltas: tuple[dict[str, Any], ...]
    reason: str | None
    usage: dict[str, Any] | None = None
    error: Any = None
    done: bool = True
    inside: str = "delta"
    matched: str | None = None


words = st.sampled_from(["", " ", "\n\n", "a", " b ", "<", "<think>", "</think>", "think>", "é" * 30])
calls = st.sampled_from(
    [
        [{"index": 0, "id": "c0", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"a":1}'}}],
        [{"index": 0, "id": "c0", "function": {"name": "f", "arguments": {"a": 1}}}],
        [{"index": 1, "id": "c0", "custom": {"name": "g", "input": "x"}, "type": "custom"}],
        [{"index": 0}],
        [],
    ]
)
deltas = st.one_of(
    st.just({"role": "assistant", "content": ""}),
    st.builds(lambda text: {"content": text}, words),
    st.builds(lambda text: {"content": text, "reasoning_content": None, "refusal": None}, words),
    st.builds(lambda text: {"reasoning_content": text}, words),
    st.builds(lambda text: {"reasoning": text, "content": text}, words),
    st.builds(lambda text: {"refusal": text}, words),
    st.builds(lambda found: {"tool_calls": found}, calls),
    st.just({"function_call": {"name": "f", "arguments": "{}"}}),
    st.builds(lambda data: {"reasoning_details": [{"data": data}]}, st.sampled_from("xyz")),
    st.builds(lambda text: {"content": [{"type": "text", "text": text}]}, words),
    st.builds(lambda text: {"content": [{"type": "thinking", "thinking": [{"text": text}]}]}, words),
    st.just({"audio": {"id": "a"}}),
)
reasons = st.sampled_from(
    ["stop", "length", "tool_calls", "content_filter", "function_call", "eos", "", None]
)
counts = st.sampled_from(
    [
        None,
        {"prompt_tokens": 7, "completion_tokens": 2},
        {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8},
        {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 3}},
    ]
)
errors = st.sampled_from(
    [
        None,
        None,
        None,
        {"message": "busy", "type": "overloaded_error"},
        {"message": "down", "code": 503},
        {"message": "too long", "code": "context_length_exceeded"},
        "boom",
    ]
)
plans = st.builds(
    Plan,
    st.lists(deltas, max_size=5).map(tuple),
    reasons,
    counts,
    errors,
    st.booleans(),
    st.sampled_from(["delta", "message"]),
    st.sampled_from([None, None, "END"]),
)


def chunk(plan: Plan, delta: dict[str, Any] | None, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, plan.inside: delta or {}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def frames(plan: Plan) -> list[dict[str, Any]]:
    found = [chunk(plan, delta) for delta in plan.deltas]
    if plan.error is not None:
        return [*found, {"error": plan.error}]
    last = chunk(plan, None, plan.reason)
    last["choices"][0]["stop_reason"] = plan.matched
    found.append(last)
    if plan.usage is not None:
        found.append({"id": "chatcmpl-1", "choices": None, "usage": plan.usage})
    return found


def stream(plan: Plan) -> bytes:
    return chat.stream(*frames(plan), done=plan.done and plan.error is None)


def merged(plan: Plan) -> dict[str, Any] | None:
    """The whole answer that the stream tells, by plain concatenation; None where a message cannot hold it."""
    if plan.error is not None:
        return {"error": plan.error}
    message: dict[str, Any] = {"role": "assistant"}
    for delta in plan.deltas:
        for name, value in delta.items():
            if name in ("role", "audio") or value is None or not message.get(name):
                message[name] = value if value is not None else message.get(name)
            elif isinstance(value, type(message[name])) and isinstance(value, str | list):
                message[name] = message[name] + value
            else:
                return None
    choice = {"message": message, "finish_reason": plan.reason, "stop_reason": plan.matched}
    return {"id": "chatcmpl-1", "model": "m", "choices": [choice], "usage": plan.usage}


@often
@given(plan=plans, places=st.lists(st.integers(0, 3000), max_size=5), end=st.integers(0, 3000))
def test_the_verdict_is_one(plan: Plan, places: list[int], end: int) -> None:
    """Passed, translated, whole: equal. In pieces of any size, and after a cut anywhere."""
    raw = stream(plan)
    verdict = agree(CHAT, [raw])
    assert agree(CHAT, cut(raw, places)) == verdict
    agree(CHAT, [raw[:end]])
    body = merged(plan)
    if plan.error is not None:
        assert whole(CHAT, encoded(body)).error == verdict.error
    elif verdict.finished and body is not None:
        assert whole(CHAT, encoded(body)) == verdict


NOISE = [
    b": comment\n\n",
    b"event: ping\ndata: {}\n\n",
    b'data: {"id":"chatcmpl-1","choices":[]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n',
    b"data: {nope\n\n",
    b"\n\n",
]


@often
@given(plan=plans, picks=st.lists(st.sampled_from(NOISE), min_size=10, max_size=10))
def test_frames_that_mean_nothing_change_no_verdict(plan: Plan, picks: list[bytes]) -> None:
    events = [sse(frame) for frame in frames(plan)]
    noisy = [noise + event for noise, event in zip(picks, events, strict=False)]
    assert agree(CHAT, noisy) == agree(CHAT, events)


@often
@given(both=st.tuples(plans, plans), data=st.data())
def test_events_out_of_order_repeated_or_left_out_are_judged_alike(
    both: tuple[Plan, Plan], data: st.DataObject
) -> None:
    events = [sse(frame) for plan in both for frame in frames(plan)] + [b"data: [DONE]\n\n"]
    agree(CHAT, data.draw(st.lists(st.sampled_from(events), max_size=12)))


SAID = ({"content": "a"},)
ROWS: dict[str, tuple[Plan, tuple[bool, bool, Stop | None, bool, ErrorKind | None]]] = {
    "an answer": (Plan(SAID, "stop"), (True, True, Stop.END, False, None)),
    "a filter without text": (Plan((), "content_filter"), (True, True, Stop.REFUSAL, True, None)),
    "a filter after text": (Plan(SAID, "content_filter"), (True, True, Stop.REFUSAL, True, None)),
    "message in chunks": (Plan(SAID, "stop", inside="message"), (True, True, Stop.END, False, None)),
    "white space": (Plan(({"content": " \n"},), "stop"), (False, True, Stop.END, False, None)),
    "white space and a limit": (Plan(({"content": " "},), "length"), (True, True, Stop.MAX_TOKENS, False, None)),
    "an empty reason, no DONE": (Plan(SAID, "", done=False), (True, False, None, False, None)),
    "DONE alone": (Plan(SAID, None), (True, True, Stop.END, False, None)),
    "empty thinking": (Plan(({"content": "<think>\n\n</think>"},), "stop"), (False, True, Stop.END, False, None)),
    "calls, and stop": (
        Plan(({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]},), "stop"),
        (True, True, Stop.TOOL_USE, False, None),
    ),
    "a refusal in words": (Plan(({"refusal": "no"},), "stop"), (True, True, Stop.REFUSAL, True, None)),
    "a stop sequence": (Plan(SAID, "stop", matched="END"), (True, True, Stop.STOP_SEQUENCE, False, None)),
    "an error": (Plan((), None, error={"message": "x", "code": 429}), (False, False, None, False, ErrorKind.RATE_LIMITED)),
}  # fmt: skip


@pytest.mark.parametrize(("plan", "expected"), ROWS.values(), ids=ROWS.keys())
def test_what_the_verdict_is(
    plan: Plan, expected: tuple[bool, bool, Stop | None, bool, ErrorKind | None]
) -> None:
    verdict = agree(CHAT, [stream(plan)])
    kind = verdict.error[0] if verdict.error is not None else None
    assert (verdict.answered, verdict.finished, verdict.stop, verdict.refused, kind) == expected
    if verdict.finished:
        assert whole(CHAT, encoded(merged(plan))) == verdict


@pytest.mark.parametrize(
    ("usage", "cached"),
    [({"prompt_cache_hit_tokens": 8, "prompt_tokens": 9}, 8), ({"prompt_tokens": 9}, None)],
)
def test_the_usage_of_a_chunk_without_choices_is_read_on_every_path(usage: Any, cached: int | None) -> None:
    plan = Plan(SAID, "stop", usage)
    verdict = agree(CHAT, [stream(plan)])
    assert verdict.usage is not None
    assert (verdict.usage.input, verdict.usage.cached) == (9, cached)
    assert whole(CHAT, encoded(merged(plan))) == verdict


def test_no_sealed_reasoning_is_lost_however_much_of_it_comes() -> None:
    sealed: list[dict[str, Any]] = [{"type": "reasoning.encrypted", "data": name} for name in "xyz"]
    plan = Plan(
        (
            {"reasoning": "hm"},
            {"reasoning_details": sealed[:2]},
            {"content": "a"},
            {"reasoning_details": sealed[1:]},
            {"content": "b"},
        ),
        "stop",
    )
    for parts in (
        fold(translated(CHAT, [stream(plan)])[1]).parts,
        reader_of(CHAT).reply(encoded(merged(plan))).parts,
    ):
        kept = [part.opaque.data for part in parts if isinstance(part, Thinking) and part.opaque is not None]
        assert kept == sealed
        assert [part.text for part in parts if isinstance(part, Text)] == ["ab"]


def test_of_several_choices_the_first_is_the_answer_and_any_is_output() -> None:
    def of(index: int, reason: str | None = None, **said: Any) -> dict[str, Any]:
        return {"choices": [{"index": index, "delta": said, "finish_reason": reason}]}

    raw = chat.stream(of(0, content=""), of(1, content="b"), of(1, "content_filter"), of(0, "stop"))
    verdict = straight(CHAT, [raw])  # several choices are never translated
    assert (verdict.answered, verdict.stop, verdict.refused) == (True, Stop.END, False)


# -- recorded answers of real servers

PATH = "/v1/chat/completions"


def recorded(stream: bool) -> Any:
    """Parametrizes over the recordings; without any: one test, skipped, that says so."""
    found = [r for r in recordings() if r.status == 200 and r.stream is stream and r.path == PATH]
    absent = pytest.param(None, marks=pytest.mark.skip(reason="NO RECORDINGS: set POINTSMAN_CONFORMANCE"))
    return pytest.mark.parametrize("recording", found or [absent], ids=str)


def whole_of_recorded(raw: bytes) -> dict[str, Any]:
    """The whole answer that a recorded stream tells, by plain reading."""
    lines = [line[5:] for line in raw.decode().splitlines() if line.startswith("data:")]
    chunks = [json.loads(line) for line in lines if line.strip() != "[DONE]"]
    choices = [one for found in chunks for one in found["choices"]]
    reason = next((one["finish_reason"] for one in choices if one["finish_reason"]), None)
    usage = next((found["usage"] for found in chunks if found.get("usage")), None)
    plan = Plan(tuple(one["delta"] for one in choices), reason, usage)
    body = merged(plan)
    assert body is not None
    return body


@recorded(stream=True)
def test_a_recorded_stream_has_one_verdict(recording: Recording) -> None:
    raw = recording.response
    verdict = agree(CHAT, [raw])
    assert (verdict.answered, verdict.finished, verdict.error) == (True, True, None)
    assert whole(CHAT, encoded(whole_of_recorded(raw))) == verdict
    dice = random.Random(recording.name)
    for pieces in (1, 4, 30):
        assert agree(CHAT, cut(raw, [dice.randrange(len(raw)) for _ in range(pieces)])) == verdict
    for _ in range(8):
        agree(CHAT, [raw[: dice.randrange(len(raw))]])


@recorded(stream=False)
def test_a_recorded_whole_answer_has_one_verdict(recording: Recording) -> None:
    verdict = whole(CHAT, recording.response)
    assert (verdict.answered, verdict.finished, verdict.error) == (True, True, None)
    assert verdict.stop is not None
