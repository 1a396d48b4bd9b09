"""Answers written twice, as a stream and whole, with the one reply that both are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.conversation.events import Stop
from pointsman.conversation.parts import Citation, Foreign, Opaque, Text, Thinking, ToolCall
from pointsman.conversation.reply import Reply
from pointsman.conversation.usage import TokenUsage
from tests.vendor_bodies.messages import PING, block, ended, json_delta, started, text_delta, whole
from tests.vendor_bodies.wire import named

AM = "anthropic_messages"


@dataclass
class Answer:
    """stream: the wire. content, stop...: the same as a whole body. reply: what both say."""

    stream: bytes
    body: dict[str, Any]
    reply: Reply


def replied(*parts: Any, stop: Stop = Stop.END, usage: TokenUsage | None = None, **more: Any) -> Reply:
    return Reply("msg_1", "claude", list(parts), stop, usage=usage or TokenUsage(10, 5), **more)


TEXT = {"type": "text", "text": ""}
SEARCH = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"query": "q"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srv", "content": []}
WEB = {
    "type": "web_search_result_location",
    "url": "https://t",
    "title": "T",
    "cited_text": "c",
    "encrypted_index": "E",
}
THOUGHT = {"type": "thinking", "thinking": "let me", "signature": "sig"}
HIDDEN = {"type": "thinking", "thinking": "", "signature": "sig2"}
REDACTED = {"type": "redacted_thinking", "data": "zzz"}


def thinking(block_: dict[str, Any]) -> Thinking:
    redacted = block_["type"] == "redacted_thinking"
    return Thinking(block_.get("thinking", ""), Opaque(AM, block_, "anthropic"), redacted)


ANSWERS = {
    "text": Answer(
        named(started(), PING, *block(0, TEXT, text_delta("Hel"), text_delta("lo ☃")), *ended()),
        whole([{"type": "text", "text": "Hello ☃"}]),
        replied(Text("Hello ☃")),
    ),
    "thinking, text, tools": Answer(
        named(
            started(),
            *block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "let "},
                {"type": "thinking_delta", "thinking": "me", "estimated_tokens": 3},
                {"type": "signature_delta", "signature": "sig"},
            ),
            *block(1, REDACTED),
            *block(2, TEXT, text_delta("ok")),
            PING,
            *block(
                3,
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
                json_delta(""),
                json_delta('{"a":'),
                json_delta('[1,"é"]}'),
            ),
            *block(4, {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}, json_delta("")),
            *ended("tool_use"),
        ),
        whole(
            [
                THOUGHT,
                REDACTED,
                {"type": "text", "text": "ok"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, "é"]}},
                {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
            ],
            "tool_use",
        ),
        replied(
            thinking(THOUGHT),
            thinking(REDACTED),
            Text("ok"),
            ToolCall("toolu_1", "f", '{"a":[1,"é"]}'),
            ToolCall("toolu_2", "g", "{}"),
            stop=Stop.TOOL_USE,
        ),
    ),
    "omitted thinking": Answer(
        named(
            started(),
            *block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": ""},
                {"type": "signature_delta", "signature": "sig2"},
            ),
            *block(1, TEXT, text_delta("x")),
            *ended("max_tokens"),
        ),
        whole([HIDDEN, {"type": "text", "text": "x"}], "max_tokens"),
        replied(thinking(HIDDEN), Text("x"), stop=Stop.MAX_TOKENS),
    ),
    "server tools and citations": Answer(
        named(
            started(),
            *block(0, {**SEARCH, "input": {}}, json_delta('{"query"'), json_delta(':"q"}')),
            *block(1, RESULT),
            *block(2, TEXT, {"type": "citations_delta", "citation": WEB}, text_delta("so")),  # as recorded
            *ended("pause_turn"),
        ),
        whole([SEARCH, RESULT, {"type": "text", "text": "so", "citations": [WEB]}], "pause_turn"),
        replied(
            Foreign(AM, "server_tool_use", SEARCH),
            Foreign(AM, "web_search_tool_result", RESULT),
            Text("so", None, (Citation("https://t", "T", "c", raw=WEB, protocol=AM),)),
            stop=Stop.PAUSE,
        ),
    ),
    "a refusal before any output": Answer(
        named(
            started(),
            *ended("refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "no"}),
        ),
        whole([], "refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "no"}),
        replied(stop=Stop.REFUSAL, explanation="no"),
    ),
    "a stop sequence, cached input, a tier": Answer(
        named(
            started(
                usage={
                    "input_tokens": 1,
                    "cache_read_input_tokens": 20,
                    "cache_creation_input_tokens": 4,
                    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
                    "output_tokens": 1,
                    "service_tier": "standard",
                }
            ),
            *block(0, TEXT, text_delta("x")),
            {
                "type": "message_delta",
                "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
                "usage": {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 2}},
            },
            {"type": "message_stop"},
        ),
        whole(
            [{"type": "text", "text": "x"}],
            "stop_sequence",
            {
                "input_tokens": 1,
                "cache_read_input_tokens": 20,
                "cache_creation_input_tokens": 4,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
                "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 2},
                "service_tier": "standard",
            },
            stop_sequence="END",
        ),
        replied(
            Text("x"),
            stop=Stop.STOP_SEQUENCE,
            usage=TokenUsage(25, 7, 20, 2, 4, 3),
            sequence="END",
            service_tier="default",
        ),
    ),
    "nothing at all": Answer(named(started(), *ended()), whole([]), replied()),
}
