"""OpenAI's rules for a request of Responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .kit import WORD, Body, Rule, Target, broken, is_object, nulls, openai_schema

_BODY = {
    "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens", "temperature",
    "top_p", "max_tool_calls", "text", "reasoning", "include", "safety_identifier", "user", "prompt_cache_key",
    "prompt_cache_options", "service_tier", "metadata", "store", "stream",
}  # fmt: skip
_ITEMS = {
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
    "web_search_call",
}  # fmt: skip
_CONTENT = {
    "user": {"input_text", "input_image", "input_file"},
    "system": {"input_text"},
    "developer": {"input_text"},
    "assistant": {"output_text", "refusal"},
}
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}


def known_members(body: Body, target: Target) -> Iterator[str]:
    """API error: "Unknown parameter: 'stop'." (OpenAI SDK, `types/responses/response_create_params.py`)."""
    yield from sorted(body.keys() - _BODY)
    yield from nulls(body)


def somebody_speaks(body: Body, target: Target) -> Iterator[str]:
    """API errors: "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.",
    "Invalid 'input': empty array" (OpenAI docs, Responses)."""
    if not body["input"]:
        yield "no input"


def items_are_known(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', 'input_file', ...", "Invalid
    value: 'input_text'. Supported values are: 'output_text' and 'refusal'."; the input has no sound (OpenAI SDK,
    `types/responses/response_input_content_param.py`)."""
    for item in body["input"]:
        if item["type"] not in _ITEMS:
            yield f"an item of type {item['type']}"
        if item["type"] != "message":
            continue
        if isinstance(item["content"], str):
            continue
        if not item["content"]:
            yield "a message without parts"
        for part in item["content"]:
            if part["type"] not in _CONTENT[item["role"]]:
                yield f"{part['type']} of {item['role']}"


def calls_are_answered(body: Body, target: Target) -> Iterator[str]:
    """API errors: "No tool output found for function call call_1.", "No tool call found for function call output with
    call_id call_1.", "Duplicate item found with id", "Invalid 'input[1].call_id': string too long. Expected a string with
    maximum length 64" (OpenAI docs, Function calling; recorded)."""
    open_calls: dict[str, str] = {}
    seen: set[str] = set()
    for item in body["input"]:
        kind = item["type"]
        if kind in _CALLS:
            if item["call_id"] in seen:
                yield f"call_id {item['call_id']} twice"
            if not 0 < len(item["call_id"]) <= 64:
                yield f"call_id {item['call_id']!r}"
            seen.add(item["call_id"])
            open_calls[item["call_id"]] = _CALLS[kind]
        elif kind in _CALLS.values():
            if open_calls.pop(item["call_id"], None) != kind:
                yield f"{item['call_id']} answers no call"
    if open_calls:
        yield f"{list(open_calls)} have no output"


def calls_are_well_formed(body: Body, target: Target) -> Iterator[str]:
    """API error: "Invalid 'input[1].name': string does not match pattern. Expected a string that matches the pattern
    '^[a-zA-Z0-9_-]+$'."; arguments are "a JSON string" (OpenAI SDK,
    `types/responses/response_function_tool_call_param.py`)."""
    for item in body["input"]:
        if item["type"] in _CALLS and not WORD.fullmatch(item["name"]):
            yield f"name {item['name']!r}"
        if item["type"] == "function_call" and not is_object(item["arguments"]):
            yield f"arguments {item['arguments']!r}"


def reasoning_is_followed(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Item 'rs_1' of type 'reasoning' was provided without its required following item.", "Missing required
    parameter: 'input[1].summary'" (reported: openai-python#2561)."""
    for index, item in enumerate(body["input"]):
        if item["type"] != "reasoning":
            continue
        if not isinstance(item.get("summary"), list) or not item.get("encrypted_content"):
            yield "reasoning that is not whole"
        following = [one for one in body["input"][index + 1 :] if one["type"] != "reasoning"][:1]
        if not following or not (following[0]["type"] in _CALLS or following[0].get("role") == "assistant"):
            yield "reasoning without what it led to"


def _functions(body: Body) -> Iterator[dict[str, Any]]:
    for tool in body.get("tools", ()):
        yield from tool["tools"] if tool["type"] == "namespace" else (tool,)


def tools_are_well_formed(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid 'tools[0].name': string does not match pattern", "Missing required parameter:
    'tools[0].parameters'"; tools are flat, `strict` is required and true where absent; and see kit.openai_schema (OpenAI
    SDK, `types/responses/function_tool_param.py`)."""
    for tool in _functions(body):
        if tool["type"] not in ("function", "custom"):
            continue
        if not WORD.fullmatch(tool["name"]) or len(tool["name"]) > 64:
            yield f"name {tool['name']!r}"
        if tool["type"] == "function":
            if not isinstance(tool.get("strict"), bool):
                yield "strict is not said"
            if tool["parameters"].get("type") != "object":
                yield "parameters are no object"
            if target.vendor:
                yield from openai_schema(tool["parameters"], tool.get("strict", True))


def choice_fits(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Tool choice 'function' not found in 'tools' parameter.", "Tool choice 'required' must be specified with
    'tools' parameter." (recorded)."""
    choice = body.get("tool_choice")
    tools = list(_functions(body))
    if not tools and body.keys() & {"tool_choice", "parallel_tool_calls"}:
        yield "a choice without tools"
    if isinstance(choice, dict) and choice["type"] in ("function", "custom"):
        if not any(tool.get("name") == choice["name"] and tool["type"] == choice["type"] for tool in tools):
            yield f"the choice of {choice}"


def the_model_gets_what_it_takes(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Unsupported parameter: 'temperature' is not supported with this model.", "Unsupported parameter:
    'reasoning.effort' is not supported with this model.", "Unsupported value: 'max' is not supported with the 'gpt-5.1'
    model.", "Encrypted content is not supported with this model." (recorded; OpenAI docs, Reasoning)."""
    if target.reasons and target.vendor:
        yield from sorted(body.keys() & {"temperature", "top_p"})
    reasoning = body.get("reasoning", {})
    if "effort" in reasoning and reasoning["effort"] not in target.efforts:
        yield f"effort {reasoning['effort']}"
    if target.vendor and not target.reasons and (reasoning or "include" in body):
        yield "reasoning of a model that does not reason"


def sizes_fit(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16", "string too long.
    Expected a string with maximum length 128" of `safety_identifier` (recorded)."""
    limit = body.get("max_output_tokens", 16)
    if limit < (16 if target.vendor else 1) or (target.max_tokens is not None and limit > target.max_tokens):
        yield f"max_output_tokens {limit}"
    if target.vendor and len(body.get("safety_identifier", "")) > 128:
        yield "safety_identifier is too long"
    if body.get("store") is not False:
        yield "what was not asked to be kept is kept"


def format_fits(body: Body, target: Target) -> Iterator[str]:
    """API error: "Response input messages must contain the word 'json' in some form to use 'text.format' of type
    'json_object'.": `instructions` do not count (reported: mira#267); `strict` see kit.openai_schema."""
    form = body.get("text", {}).get("format", {})
    if form.get("type") == "json_object" and "json" not in json.dumps(body["input"]).lower():
        yield "the word json is missing"
    if form.get("type") == "json_schema":
        if not WORD.fullmatch(form["name"]) or len(form["name"]) > 64:
            yield f"name {form['name']!r}"
        if target.vendor:
            yield from openai_schema(form["schema"], form.get("strict", True))


RULES: tuple[Rule, ...] = (
    known_members, somebody_speaks, items_are_known, calls_are_answered, calls_are_well_formed, reasoning_is_followed,
    tools_are_well_formed, choice_fits, the_model_gets_what_it_takes, sizes_fit, format_fits,
)  # fmt: skip


def check(body: Body, target: Target) -> list[str]:
    """What such a server would refuse of this body."""
    return broken(RULES, body, target)
