"""conversation.usage: the same request, told in each protocol's own way of counting, is the same usage."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol

# 100 tokens in, of which 60 came from a cache and 30 were written to it; 40 out, of which 25 were thinking.
SAME: dict[Protocol, dict[str, Any]] = {
    Protocol.OPENAI_CHAT: {
        "prompt_tokens": 100,
        "completion_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 25},
    },
    Protocol.OPENAI_RESPONSES: {
        "input_tokens": 100,
        "output_tokens": 40,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens_details": {"reasoning_tokens": 25},
    },
    Protocol.ANTHROPIC_MESSAGES: {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 25},
    },
}


ANSWER = {
    "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
}
"""Something said, in every protocol: each reads its own members of it."""


@pytest.mark.parametrize("protocol", SAME)
def test_one_definition_for_every_protocol(protocol: Protocol) -> None:
    watch = DIALECTS[protocol].seen()
    assert watch.whole(json.dumps(ANSWER | {"usage": SAME[protocol]}).encode())
    assert watch.usage == TokenUsage(input=100, output=40, cached=60, reasoning=25, cache_write=30)


@pytest.mark.parametrize("protocol", SAME)
def test_what_was_not_said_is_unknown_not_zero(protocol: Protocol) -> None:
    words = {
        name: number for name, number in SAME[protocol].items() if name in ("prompt_tokens", "input_tokens")
    }
    watch = DIALECTS[protocol].seen()
    assert watch.whole(json.dumps(ANSWER | {"usage": words}).encode())
    assert watch.usage == TokenUsage(input=next(iter(words.values())))


def test_usage_is_a_value() -> None:
    usage = TokenUsage(1, 2)
    assert usage == TokenUsage(1, 2, None, None)
    with pytest.raises(AttributeError):
        usage.input = 3  # type: ignore[misc]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(usage), type=TokenUsage) == usage
