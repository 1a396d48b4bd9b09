"""A request that is said to be plain says nothing but what most clients know: stages of other fields pass it by."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.conversation.notes import Notes
from pointsman.conversation.profile import Profile
from pointsman.conversation.request import PLAIN, Request
from pointsman.dialects.base import Reading
from pointsman.dialects.registry import DIALECTS
from pointsman.kinds import Protocol
from pointsman.translation.adapt import adapt
from tests.dialects.halves import CAPSULES

CHAT, MESSAGES = Protocol.OPENAI_CHAT, Protocol.ANTHROPIC_MESSAGES
COMMON = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stream": True}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
MORE: dict[Protocol, dict[str, Any]] = {
    CHAT: {
        "stop": "x", "seed": 1, "n": 2, "reasoning_effort": "low", "user": "u", "verbosity": "low", "top_k": 3,
        "response_format": {"type": "json_object"}, "cache_control": {"type": "ephemeral"}, "logprobs": True,
        "tools": [{"type": "function", "function": {"name": "f"}}], "thinking": {"type": "disabled"},
        "web_search_options": {}, "metadata": {"a": "b"}, "service_tier": "flex", "parallel_tool_calls": True,
    },
    MESSAGES: {
        "stop_sequences": ["x"], "top_k": 3, "metadata": {"user_id": "u"}, "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low"}, "cache_control": {"type": "ephemeral"}, "service_tier": "auto",
        "tools": [TOOL], "tool_choice": {"type": "auto"},
    },
}  # fmt: skip


def parsed(protocol: Protocol, body: dict[str, Any]) -> Request:
    half = DIALECTS[protocol].translation
    assert half is not None
    full = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return half.parse_request(full, Reading(Notes(), CAPSULES))


def others(request: Request) -> list[str]:
    """The fields beside PLAIN that say something."""
    nothing = Request("m")
    names = [name for name in Request.__struct_fields__ if name not in PLAIN]
    return [name for name in names if getattr(request, name) != getattr(nothing, name)]


@pytest.mark.parametrize("protocol", [CHAT, MESSAGES])
def test_what_most_clients_send_is_plain(protocol: Protocol) -> None:
    assert parsed(protocol, {}).plain
    assert parsed(protocol, COMMON).plain
    assert others(parsed(protocol, COMMON)) == []


@pytest.mark.parametrize(("protocol", "name"), [(one, name) for one, more in MORE.items() for name in more])
def test_nothing_else_is(protocol: Protocol, name: str) -> None:
    request = parsed(protocol, {**COMMON, name: MORE[protocol][name]})
    assert not request.plain


@given(
    st.sampled_from((CHAT, MESSAGES)),
    st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in COMMON.items()}),
    st.builds(
        Profile,
        sampling=st.sampled_from(("any", "one_of", "default_only")),
        temperature_max=st.sampled_from((0.3, 2.0)),
        max_tokens_required=st.booleans(),
        reasoning=st.sampled_from(("none", "effort", "budget", "adaptive", "template")),
        thinking_field=st.booleans(),
        summaries=st.booleans(),
        turns=st.sampled_from(("any", "strict")),
        auto_cache=st.booleans(),
    ),
)
def test_stages_that_look_find_nothing_more(
    protocol: Protocol, body: dict[str, Any], profile: Profile
) -> None:
    known = parsed(protocol, body)
    unknown = copy.copy(known)
    unknown.plain = False
    notes, other = Notes(), Notes()
    made, seen = adapt(known, profile, notes)[0], adapt(unknown, profile, other)[0]
    assert not (made.plain and others(made))
    made.plain = seen.plain
    assert (made, notes.warnings) == (seen, other.warnings)
