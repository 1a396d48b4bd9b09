"""Token counts where servers put them, and numbers that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.usage import TokenUsage
from pointsman.dialects.anthropic_messages.usage import rendered
from pointsman.kinds import Protocol
from tests.vendor_bodies import chat
from tests.vendor_bodies.wire import encoded

from .verdicts import agree, whole

CHAT = Protocol.OPENAI_CHAT
COUNTS: dict[str, tuple[dict[str, Any], tuple[int | None, int | None, int | None, int | None]]] = {
    "cached on the top level": ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 8}, (9, 2, 8, None)),
    "cached above prompt": ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 80}, (9, 2, 9, None)),
    "read and written are the same tokens": (
        {"prompt_tokens": 2168, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 2161, "cache_write_tokens": 2161}},
        (2168, 2, 2161, 7),
    ),
    "written above prompt": (
        {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cache_write_tokens": 11}}, (10, 2, None, 10),
    ),
    "no prompt beside cached": ({"prompt_tokens": 0, "completion_tokens": 2, "cached_tokens": 8}, (8, 2, 8, None)),
    "below nothing": (
        {"prompt_tokens": 7, "completion_tokens": -3, "cached_tokens": -1}, (7, 0, 0, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(COUNTS))
def test_counts_that_servers_put_elsewhere_or_cannot_be(name: str) -> None:
    usage, wanted = COUNTS[name]
    found = agree(
        CHAT, [chat.stream(chat.delta(content="hi"), chat.delta("stop"), chat.counted(usage))]
    ).usage
    assert found is not None
    assert (found.input, found.output, found.cached, found.cache_write) == wanted
    assert whole(CHAT, encoded(chat.whole({"content": "hi"}, usage=usage))).usage == found


@pytest.mark.parametrize("last", [True, False], ids=["with the finish reason", "before it"])
def test_usage_inside_a_choice_is_read(last: bool) -> None:
    chunks = [chat.delta(content="hi"), chat.delta("stop")]
    chunks[last]["choices"][0]["usage"] = {"prompt_tokens": 7, "completion_tokens": 2}
    found = agree(CHAT, [chat.stream(*chunks)]).usage
    assert found is not None
    assert (found.input, found.output) == (7, 2)


def test_usage_of_zeros_is_none_told() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    some = {"prompt_tokens": 7, "completion_tokens": 2}
    found = agree(
        CHAT, [chat.stream(chat.delta(content="hi"), chat.delta("stop"), chat.counted(zeros))]
    ).usage
    assert found == TokenUsage()
    both = chat.stream(chat.delta(content="hi"), chat.counted(some), chat.delta("stop"), chat.counted(zeros))
    found = agree(CHAT, [both]).usage
    assert found is not None
    assert found.input == 7


numbers = st.none() | st.integers(-3, 5000)


@given(st.builds(TokenUsage, numbers, numbers, numbers, numbers, numbers, numbers))
def test_parts_never_sum_to_more_than_their_whole_and_nothing_is_negative(usage: TokenUsage) -> None:
    found = usage.bounded()
    told = rendered(found)
    parts = [
        told[name] for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    ]
    assert all(part >= 0 for part in (*parts, told["output_tokens"]))
    if found.input is not None:
        assert sum(parts) == found.input
    assert found.bounded() == found
