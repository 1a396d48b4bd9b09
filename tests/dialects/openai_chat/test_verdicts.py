"""Chat: one verdict on every path, of a stream that has no blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st

from pointsman.conversation.events import Stop
from pointsman.conversation.parts import Text, Thinking
from pointsman.conversation.reply import fold
from pointsman.dialects.base import Verdict
from pointsman.kinds import ErrorKind, Protocol
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded, sse

from ..one_verdict import CALLED, CUT, GOOD, LIMIT, NOISE, REFUSED, SILENT, Judged, OneVerdict, Recorded
from ..verdicts import agree, reader_of, straight, translated, whole

CHAT = Protocol.OPENAI_CHAT


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
        [{"index": 0, "function": {"arguments": '{"a":"'}}],
        [{"index": 0, "function": {"arguments": '}"}'}}],
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


def frames(plan: Plan) -> list[dict[str, Any]]:
    made = chat.delta if plan.inside == "delta" else chat.in_message
    found = [chat.headed(made(None, **delta)) for delta in plan.deltas]
    if plan.error is not None:
        return [*found, {"error": plan.error}]
    last = chat.headed(made(plan.reason))
    last["choices"][0]["stop_reason"] = plan.matched
    found.append(last)
    if plan.usage is not None:
        found.append(chat.counted(plan.usage, choices=None))
    return found


def stream(plan: Plan) -> bytes:
    return b"".join(events_of(plan))


def events_of(plan: Plan) -> list[bytes]:
    done = [chat.DONE] if plan.done and plan.error is None else []
    return [*map(sse, frames(plan)), *done]


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
    if message.get("tool_calls"):
        message["tool_calls"] = merged_calls(message["tool_calls"])
        if message["tool_calls"] is None:
            return None
    return chat.whole(message, plan.reason, matched=plan.matched) | {"usage": plan.usage}


def merged_calls(pieces: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Whole calls of pieces by index; None where an index may stand for several."""
    found: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        kind = "custom" if "custom" in piece else "function"
        before = found.get(piece["index"])
        if before is None:
            found[piece["index"]] = {**piece, kind: dict(piece.get(kind, {}))}
            continue
        more, inner = piece.get(kind, {}), before.setdefault(kind, {})
        texts = (inner.get("arguments") or "", more.get("arguments") or "")
        if more.get("name") or not all(isinstance(text, str) for text in texts):
            return None
        inner["arguments"] = "".join(texts)
    return list(found.values())


SAID = ({"content": "a"},)
LATE = {"message": "x", "code": 429}


class TestVerdict(OneVerdict):
    protocol = CHAT
    plans = plans
    noise: ClassVar = [
        *NOISE,
        sse(chat.counted({}) | {"usage": None}),
        sse(chat.delta(role="assistant", content=None)),
    ]
    after = b""  # `[DONE]` means something here
    table: ClassVar = {
        "an answer": (Plan(SAID, "stop"), GOOD),
        "a filter without text": (Plan((), "content_filter"), REFUSED),
        "a filter after text": (Plan(SAID, "content_filter"), REFUSED),
        "message in chunks": (Plan(SAID, "stop", inside="message"), GOOD),
        "white space": (Plan(({"content": " \n"},), "stop"), SILENT),
        "white space and a limit": (Plan(({"content": " "},), "length"), LIMIT),
        "an empty reason, no DONE": (Plan(SAID, "", done=False), CUT),
        "DONE alone": (Plan(SAID, None), CUT._replace(error=ErrorKind.UPSTREAM_ERROR)),
        "an empty reason, and DONE": (Plan(SAID, ""), CUT._replace(error=ErrorKind.UPSTREAM_ERROR)),
        "empty thinking": (Plan(({"content": "<think>\n\n</think>"},), "stop"), SILENT),
        "calls, and stop": (
            Plan(({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]},), "stop"), CALLED,
        ),
        "a refusal in words": (Plan(({"refusal": "no"},), "stop"), REFUSED),
        "a stop sequence": (Plan(SAID, "stop", matched="END"), Judged(True, True, Stop.STOP_SEQUENCE)),
        "an error": (Plan((), None, error=LATE), Judged(False, False, error=ErrorKind.RATE_LIMITED)),
    }  # fmt: skip

    def events(self, plan: Plan) -> list[bytes]:
        return events_of(plan)

    def whole_of(self, plan: Plan, verdict: Verdict) -> Any:
        return merged(plan) if verdict.finished or plan.error is not None else None


class TestRecorded(Recorded):
    protocol = CHAT
    path = "/v1/chat/completions"

    def whole_of_stream(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        choices = [one for found in events for one in found["choices"]]
        reason = next((one["finish_reason"] for one in choices if one["finish_reason"]), None)
        usage = next((found["usage"] for found in events if found.get("usage")), None)
        body = merged(Plan(tuple(one["delta"] for one in choices), reason, usage))
        assert body is not None
        return body


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
        chunk = chat.delta(reason, **said)
        chunk["choices"][0]["index"] = index
        return chunk

    raw = chat.stream(of(0, content=""), of(1, content="b"), of(1, "content_filter"), of(0, "stop"))
    verdict = straight(CHAT, [raw])  # several choices are never translated
    assert (verdict.answered, verdict.stop, verdict.refused) == (True, Stop.END, False)
