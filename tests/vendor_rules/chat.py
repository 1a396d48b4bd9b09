"""OpenAI's rules for a request of Chat Completions; and what servers demand that speak like it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .kit import WORD, Body, Rule, Target, broken, is_object, nulls, openai_schema

_BODY = {
    "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "temperature",
    "top_p", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "n", "verbosity", "stop", "web_search_options",
    "response_format", "reasoning_effort", "safety_identifier", "user", "prompt_cache_key", "prompt_cache_options",
    "service_tier", "metadata", "stream", "stream_options",
}  # fmt: skip
_OTHERS = {"top_k", "chat_template_kwargs"}
"""Members that OpenAI does not have, and other servers do."""
_ROLES = {"system", "developer", "user", "assistant", "tool"}


def known_members(body: Body, target: Target) -> Iterator[str]:
    """API error: "Unrecognized request argument supplied: top_k"; a null where a value is wanted is refused by mlx_lm
    ("temperature must be a non-negative float", mlx-lm `server.py`); `content` alone may be null."""
    yield from sorted(body.keys() - _BODY - (set() if target.vendor else _OTHERS))
    yield from (path for path in nulls(body) if not (target.vendor and path.endswith("].content")))


def somebody_speaks(body: Body, target: Target) -> Iterator[str]:
    """API error: "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array
    instead." (OpenAI docs, Chat)."""
    if not body["messages"]:
        yield "no messages"
    for message in body["messages"]:
        if message["role"] not in _ROLES:
            yield f"role {message['role']}"


def contents_are_there(body: Body, target: Target) -> Iterator[str]:
    """API error: "Invalid value for 'content': expected a string, got null." unless there are tool calls; local servers'
    templates fail on null and want a tool's output as a string (OpenAI SDK,
    `types/chat/chat_completion_assistant_message_param.py`; llama.cpp, mlx-lm)."""
    for message in body["messages"]:
        content = message.get("content")
        if content is None and not (message.get("tool_calls") and target.vendor):
            yield f"a message of {message['role']} without content"
        if message["role"] == "tool" and not isinstance(content, str):
            yield "a tool's output that is no string"
        if isinstance(content, list) and not content:
            yield "an empty list of parts"


def calls_are_answered(body: Body, target: Target) -> Iterator[str]:
    """API errors: "An assistant message with 'tool_calls' must be followed by tool messages responding to each
    'tool_call_id'.", "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", "Invalid
    'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 64"; Mistral: "Tool call id was
    ... but must be a-z, A-Z, 0-9, with a length of 9." (recorded; reported: litellm#7160)."""
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"{message['tool_call_id']!r} answers no call"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"{waiting} are not answered"
        calls = message.get("tool_calls", [])
        waiting = [call["id"] for call in calls]
        if len(waiting) != len(set(waiting)):
            yield "an id twice"
        if "tool_calls" in message and not calls:
            yield "an empty list of calls"
        for one in waiting:
            if not one or len(one) > 64 or (target.nine and not (len(one) == 9 and one.isalnum())):
                yield f"id {one!r}"
    if waiting:
        yield f"{waiting} are not answered"


def calls_are_well_formed(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid 'messages[1].tool_calls[0].function.name': string does not match pattern. Expected a string that
    matches the pattern '^[a-zA-Z0-9_-]+$'."; "arguments: the arguments to call the function with, in JSON format" (OpenAI
    SDK): servers' templates parse them."""
    for message in body["messages"]:
        for call in message.get("tool_calls", ()):
            inner = call[call["type"]]
            if not WORD.fullmatch(inner["name"]) or len(inner["name"]) > 64:
                yield f"name {inner['name']!r}"
            if call["type"] == "function" and not is_object(inner["arguments"] or "{}"):
                yield f"arguments {inner['arguments']!r}"
            if call["type"] == "custom" and not target.vendor:
                yield "a custom call"


def turns_fit_templates(body: Body, target: Target) -> Iterator[str]:
    """Chat templates of local models: "Conversation roles must alternate user/assistant/user/assistant/...", "System message
    must be at the beginning." (templates of Gemma, Mistral and Qwen)."""
    if target.vendor:
        return
    roles = [message["role"] for message in body["messages"]]
    if any(role in ("system", "developer") for role in roles[1:]):
        yield "a system message behind the first"
    if "developer" in roles:
        yield "a developer's message"
    for one, other in zip(body["messages"], body["messages"][1:], strict=False):
        if one["role"] == other["role"] == "user" and one.get("name") == other.get("name"):
            yield "two messages of the user's in a row"


def tools_are_well_formed(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid 'tools[0].function.name': string does not match pattern '^[a-zA-Z0-9_-]+$'", at most 64
    characters; "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"'"; and see
    kit.openai_schema. "[] is too short - 'tools'" (OpenAI docs, Function calling)."""
    if body.get("tools") == []:
        yield "an empty list of tools"
    for tool in body.get("tools", ()):
        inner = tool[tool["type"]]
        if not WORD.fullmatch(inner["name"]) or len(inner["name"]) > 64:
            yield f"name {inner['name']!r}"
        if tool["type"] == "custom":
            if not target.vendor:
                yield "a custom tool"
            continue
        schema = inner.get("parameters", {"type": "object", "properties": {}})
        if schema.get("type") != "object":
            yield "parameters are no object"
        if target.vendor:
            yield from openai_schema(schema, inner.get("strict") is True)


def choice_fits(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "Invalid
    value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.", "Tool choice
    'function' not found in 'tools' parameter." (recorded)."""
    names = [tool[tool["type"]]["name"] for tool in body.get("tools", ())]
    if not names and body.keys() & {"tool_choice", "parallel_tool_calls"}:
        yield "a choice without tools"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice[choice["type"]]["name"] not in names:
        yield f"the choice of {choice}"


def reasoning_models_get_what_they_take(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'
    instead.", "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is
    supported.", "Unsupported parameter: 'stop' is not supported with this model.", "Unsupported value:
    'reasoning_effort' does not support 'max' with this model." (recorded; OpenAI docs, Reasoning)."""
    if target.vendor and "max_tokens" in body:
        yield "max_tokens"
    if "reasoning_effort" in body and body["reasoning_effort"] not in target.efforts:
        yield f"reasoning_effort {body['reasoning_effort']}"
    if target.reasons:
        refused = {
            "temperature",
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "stop",
            "logprobs",
        }
        yield from sorted(body.keys() & refused)


def sizes_fit(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid 'stop': array too long. Expected an array with maximum length 4", "max_tokens is too large: ...
    This model supports at most 16384 completion tokens", "Invalid 'temperature': decimal above maximum value. Expected a
    value <= 2", "Invalid 'safety_identifier': string too long. Expected a string with maximum length 128" (recorded)."""
    if len(body.get("stop", ())) > 4:
        yield "more than 4 stop sequences"
    limit = body.get("max_completion_tokens", body.get("max_tokens", 1))
    if limit < 1 or (target.max_tokens is not None and limit > target.max_tokens):
        yield f"max_tokens {limit}"
    if not 0 <= body.get("temperature", 0) <= 2:
        yield f"temperature {body['temperature']}"
    if target.vendor and len(body.get("safety_identifier", "")) > 128:
        yield "safety_identifier is too long"
    if "stream_options" in body and not body.get("stream"):
        yield "stream_options without a stream"


def format_fits(body: Body, target: Target) -> Iterator[str]:
    """API error: "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
    the name of a schema matches ^[a-zA-Z0-9_-]{1,64}$ (OpenAI docs, Structured outputs)."""
    form: dict[str, Any] = body.get("response_format", {})
    if form.get("type") == "json_object" and target.vendor:
        if "json" not in json.dumps(body["messages"]).lower():
            yield "the word json is missing"
    if form.get("type") == "json_schema":
        inner = form["json_schema"]
        if not WORD.fullmatch(inner["name"]) or len(inner["name"]) > 64:
            yield f"name {inner['name']!r}"
        if target.vendor:
            yield from openai_schema(inner["schema"], inner.get("strict") is True)


RULES: tuple[Rule, ...] = (
    known_members, somebody_speaks, contents_are_there, calls_are_answered, calls_are_well_formed, turns_fit_templates,
    tools_are_well_formed, choice_fits, reasoning_models_get_what_they_take, sizes_fit, format_fits,
)  # fmt: skip


def check(body: Body, target: Target) -> list[str]:
    """What such a server would refuse of this body."""
    return broken(RULES, body, target)
