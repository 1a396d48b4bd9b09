"""The rules are awake: a good body breaks none of them, and for each rule there is a body that breaks it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from . import chat, messages, responses
from .kit import Rule, Target

OPEN = {"type": "object", "properties": {"a": {"type": "array"}}}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": OPEN}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SAID = {"role": "user", "content": "hi"}
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
USER = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
HOUR = {"type": "ephemeral", "ttl": "1h"}
CLAUDE = Target("claude-sonnet-4-5", max_tokens=64_000, budget=True)
GPT = Target("gpt-5.1", reasons=True, efforts=("low",), max_tokens=128_000)
LOCAL = Target("llama", vendor=False)

GOOD: dict[str, tuple[Any, Target, dict[str, Any]]] = {
    "chat": (chat, GPT, {"model": "m", "messages": [SAID, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c", "content": "r"}]}),
    "responses": (responses, GPT, {"model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}], "store": False}),
    "messages": (messages, CLAUDE, {"model": "m", "max_tokens": 5000, "messages": [USER, {"role": "assistant", "content": [USE]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]}),
}  # fmt: skip
BAD: list[tuple[str, Rule, dict[str, Any], Target | None]] = [
    ("chat", chat.known_members, {"top_k": 1}, None),
    ("chat", chat.known_members, {"stop": None}, None),
    ("chat", chat.somebody_speaks, {"messages": []}, None),
    ("chat", chat.contents_are_there, {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c", "content": "r"}]}, LOCAL),
    ("chat", chat.calls_are_answered, {"messages": [SAID, {"role": "assistant", "content": "", "tool_calls": [CALL]}, SAID]}, None),
    ("chat", chat.calls_are_answered, {"messages": [SAID, {"role": "tool", "tool_call_id": "x", "content": "r"}]}, None),
    ("chat", chat.calls_are_well_formed, {"messages": [{"role": "assistant", "content": "", "tool_calls": [{**CALL, "function": {"name": "f f", "arguments": "[]"}}]}]}, None),
    ("chat", chat.turns_fit_templates, {"messages": [SAID, SAID]}, LOCAL),
    ("chat", chat.tools_are_well_formed, {"tools": [CHAT_TOOL]}, None),
    ("chat", chat.choice_fits, {"tool_choice": "auto"}, None),
    ("chat", chat.reasoning_models_get_what_they_take, {"temperature": 0.5}, None),
    ("chat", chat.reasoning_models_get_what_they_take, {"reasoning_effort": "max"}, None),
    ("chat", chat.sizes_fit, {"stream_options": {"include_usage": True}}, None),
    ("chat", chat.format_fits, {"response_format": {"type": "json_object"}}, None),
    ("responses", responses.known_members, {"stop": ["x"]}, None),
    ("responses", responses.somebody_speaks, {"input": []}, None),
    ("responses", responses.items_are_known, {"input": [{"type": "message", "role": "user", "content": [{"type": "input_audio"}]}]}, None),
    ("responses", responses.calls_are_answered, {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}, None),
    ("responses", responses.calls_are_well_formed, {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}]}, None),
    ("responses", responses.reasoning_is_followed, {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}, None),
    ("responses", responses.tools_are_well_formed, {"tools": [{"type": "function", "name": "f", "parameters": OPEN}]}, None),
    ("responses", responses.choice_fits, {"tool_choice": {"type": "function", "name": "f"}}, None),
    ("responses", responses.the_model_gets_what_it_takes, {"top_p": 0.5}, None),
    ("responses", responses.sizes_fit, {"max_output_tokens": 5}, None),
    ("responses", responses.format_fits, {"instructions": "JSON", "text": {"format": {"type": "json_object"}}}, None),
    ("messages", messages.known_members, {"seed": 1}, None),
    ("messages", messages.somebody_speaks, {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "a"}]}, USER]}, None),
    ("messages", messages.contents_say_something, {"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, None),
    ("messages", messages.blocks_stand_where_they_may, {"messages": [USER, {"role": "system", "content": [{"type": "text", "text": "s"}]}]}, None),
    ("messages", messages.ends_as_it_may, {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "a "}]}]}, None),
    ("messages", messages.calls_are_answered, {"messages": [USER, {"role": "assistant", "content": [USE]}, USER]}, None),
    ("messages", messages.calls_are_answered, {"messages": [USER, {"role": "assistant", "content": [USE, USE]}, {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "tool_result", "tool_use_id": "t"}]}]}, None),
    ("messages", messages.tools_are_well_formed, {"tools": [{"name": "f f", "input_schema": {"anyOf": []}}]}, None),
    ("messages", messages.strict_schemas_are_few_and_simple, {"tools": [{"name": "f", "strict": True, "input_schema": {"type": "object", "properties": {str(n): {} for n in range(25)}, "additionalProperties": False}}]}, None),
    ("messages", messages.choice_fits, {"tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 2000}, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}, None),
    ("messages", messages.thinking_fits, {"thinking": {"type": "enabled", "budget_tokens": 5000}}, None),
    ("messages", messages.thinking_comes_back, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, None),
    ("messages", messages.sampling_fits, {"temperature": 0.5, "top_p": 0.5}, None),
    ("messages", messages.sizes_fit, {"max_tokens": 70_000, "stop_sequences": [" "]}, None),
    ("messages", messages.effort_is_known, {"output_config": {"effort": "max"}}, None),
    ("messages", messages.cache_marks_are_few_and_in_order, {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "b", "cache_control": HOUR}]}, None),
    ("messages", messages.media_are_taken, {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/bmp"}}]}]}, None),
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_body_breaks_no_rule(name: str) -> None:
    vendor, target, body = GOOD[name]
    assert vendor.check(copy.deepcopy(body), target) == []


@pytest.mark.parametrize(
    ("name", "rule", "more", "target"), BAD, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_bad_body_breaks_the_rule(
    name: str, rule: Rule, more: dict[str, Any], target: Target | None
) -> None:
    _, usual, body = GOOD[name]
    assert list(rule({**body, **more}, target or usual))


def test_every_rule_has_a_body_that_breaks_it() -> None:
    rules = {rule for vendor, _, _ in GOOD.values() for rule in vendor.RULES}
    assert rules == {rule for _, rule, _, _ in BAD}
