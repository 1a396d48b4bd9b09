"""Anthropic's rules for a request of the Messages API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .kit import WORD, Body, Rule, Target, broken, nodes, nulls, types

_BODY = {
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "temperature", "top_p",
    "top_k", "stop_sequences", "metadata", "service_tier", "stream", "cache_control",
}  # fmt: skip
_BLOCKS = {
    "user": {"text", "image", "document", "tool_result", "search_result"},
    "assistant": {
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "server_tool_use",
        "web_search_tool_result",
    },
    "system": {"text"},
}
_IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}


def _turns(body: Body) -> list[tuple[str, list[dict[str, Any]]]]:
    """(role, blocks), neighbours of one role joined as the API joins them."""
    joined: list[tuple[str, list[dict[str, Any]]]] = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if joined and joined[-1][0] == message["role"] != "system":
            joined[-1][1].extend(blocks)
        else:
            joined.append((message["role"], blocks))
    return joined


def known_members(body: Body, target: Target) -> Iterator[str]:
    """API error: "NAME: Extra inputs are not permitted" (recorded, tests/conformance)."""
    yield from sorted(body.keys() - _BODY)
    yield from nulls(body)


def somebody_speaks(body: Body, target: Target) -> Iterator[str]:
    """API error: "messages: at least one message is required"; "first message must use the \"user\" role" (Anthropic docs,
    Messages API)."""
    if not body["messages"]:
        yield "no messages"
    elif body["messages"][0]["role"] != "user":
        yield "the first message is not the user's"


def contents_say_something(body: Body, target: Target) -> Iterator[str]:
    """API errors: "all messages must have non-empty content except for the optional final assistant message", "text
    content blocks must be non-empty", "text content blocks must contain non-whitespace text" (Anthropic docs, Errors)."""
    for index, message in enumerate(body["messages"]):
        if not message["content"]:
            yield f"messages[{index}] is empty"
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "text" and not block["text"].strip():
                yield f"messages[{index}] has an empty text"
    for text in body.get("system", ()):
        if not text["text"].strip():
            yield "system has an empty text"


def blocks_stand_where_they_may(body: Body, target: Target) -> Iterator[str]:
    """Anthropic SDK, `types/content_block_param.py`; "messages: Unexpected role \"system\"" on models without
    mid-conversation system messages, which "must directly follow a user turn and be followed by an assistant turn or end
    the array" (Anthropic docs, Mid-conversation system messages)."""
    roles = [message["role"] for message in body["messages"]]
    for index, (role, message) in enumerate(zip(roles, body["messages"], strict=True)):
        content = message["content"]
        for block in content if isinstance(content, list) else ():
            if block["type"] not in _BLOCKS.get(role, ()):
                yield f"{block['type']} in a message of {role}"
        if role == "system":
            if not target.mid_system:
                yield "a system message in the middle"
            if index == 0 or roles[index - 1] not in ("user", "system"):
                yield "a system message that follows no user turn"
            if index + 1 < len(roles) and roles[index + 1] == "user":
                yield "a system message before a user turn"


def ends_as_it_may(body: Body, target: Target) -> Iterator[str]:
    """API errors: "This model does not support assistant message prefill. The conversation must end with a user message.",
    "final assistant content cannot end with trailing whitespace" (Anthropic docs, Migration to Claude 4.6)."""
    last = body["messages"][-1:]
    if not last or last[0]["role"] != "assistant":
        return
    if not target.prefill:
        yield "it ends with the assistant"
    final = last[0]["content"][-1]
    if final["type"] == "text" and final["text"] != final["text"].rstrip():
        yield "it ends in white space"


def calls_are_answered(body: Body, target: Target) -> Iterator[str]:
    """API errors: "`tool_use` ids were found without `tool_result` blocks immediately after", "unexpected `tool_use_id`
    found in `tool_result` blocks: each must have a corresponding `tool_use` block in the previous message", "`tool_use`
    ids must be unique", "each tool_use must have a single result", "String should match pattern '^[a-zA-Z0-9_-]+$'";
    tool results come first in the content (Anthropic docs, Tool use)."""
    turns = _turns(body)
    seen: set[str] = set()
    for index, (role, blocks) in enumerate(turns):
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if role == "assistant":
            following = (
                turns[index + 1][1] if index + 1 < len(turns) and turns[index + 1][0] == "user" else []
            )
            answers = [block["tool_use_id"] for block in following if block["type"] == "tool_result"]
            if sorted(answers) != sorted(calls):
                yield f"calls {calls} are answered by {answers}"
        for call in calls:
            if call in seen:
                yield f"id {call} twice"
            if not WORD.fullmatch(call):
                yield f"id {call!r}"
            seen.add(call)
        if role == "user":
            kinds = [block["type"] == "tool_result" for block in blocks]
            if kinds != sorted(kinds, reverse=True):
                yield "results do not come first"
            if any(kinds) and (index == 0 or turns[index - 1][0] != "assistant"):
                yield "results that follow no call"
        for block in blocks:
            if block["type"] == "tool_use" and not isinstance(block["input"], dict):
                yield "an input that is no object"


def tools_are_well_formed(body: Body, target: Target) -> Iterator[str]:
    """API errors: "tools: Tool names must be unique", "tools.0.custom.name: String should match pattern
    '^[a-zA-Z0-9_-]{1,128}$'", "input_schema.type: Field required", "input_schema does not support oneOf, allOf, or anyOf at
    the top level" (Anthropic docs, Define tools)."""
    names = [tool["name"] for tool in body.get("tools", ())]
    if len(names) != len(set(names)):
        yield f"names are not unique: {names}"
    for tool in body.get("tools", ()):
        if not WORD.fullmatch(tool["name"]) or len(tool["name"]) > 128:
            yield f"name {tool['name']!r}"
        if "type" in tool and tool["type"] != "custom":
            continue
        schema = tool["input_schema"]
        if schema.get("type") != "object":
            yield "input_schema is no object"
        if schema.keys() & {"anyOf", "oneOf", "allOf"}:
            yield "a union at the top level"


def strict_schemas_are_few_and_simple(body: Body, target: Target) -> Iterator[str]:
    """Anthropic docs, Structured outputs: per request at most 20 strict tools, 24 optional parameters and 16 parameters
    with union types, "across all strict tool schemas and JSON output schemas"; "additionalProperties must be set to false
    for objects"; no recursion, no numerical or string constraints, `minItems` 0 or 1."""
    schemas = [tool["input_schema"] for tool in body.get("tools", ()) if tool.get("strict")]
    if len(schemas) > 20:
        yield f"{len(schemas)} strict tools"
    form = body.get("output_config", {}).get("format")
    if form is not None:
        schemas.append(form["schema"])
    if schemas and not target.structured:
        yield "this model enforces no schema"
    optional = unions = 0
    for node in (node for schema in schemas for node in nodes(schema)):
        optional += len(node.get("properties", {}).keys() - set(node.get("required", ())))
        unions += "anyOf" in node or len(types(node)) > 1
        if "object" in types(node) and node.get("additionalProperties") is not False:
            yield "an object is open"
        banned = node.keys() & {
            "minimum",
            "maximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "maxItems",
            "oneOf",
            "allOf",
        }
        if banned or node.get("minItems", 0) > 1:
            yield f"constraints {sorted(banned)}"
    if optional > 24:
        yield f"{optional} optional properties"
    if unions > 16:
        yield f"{unions} unions"


def choice_fits(body: Body, target: Target) -> Iterator[str]:
    """API errors: "tool_choice may only be specified while providing tools", "tool_choice.name: Tool 'f' not found in
    provided tools", "tool_choice: type \"tool\" and \"any\" are not supported for this model", "Thinking may not be
    enabled when tool_choice forces tool use" (Anthropic docs, Tool use, Extended thinking)."""
    choice = body.get("tool_choice")
    if choice is None:
        return
    names = [tool["name"] for tool in body.get("tools", ())]
    if not names:
        yield "a choice without tools"
    if choice["type"] == "tool" and choice["name"] not in names:
        yield f"the choice of {choice['name']!r}"
    if choice["type"] in ("any", "tool"):
        if not target.forced:
            yield "this model cannot be forced"
        thinking = body.get("thinking", {}).get("type")
        if thinking == "enabled" or (thinking == "adaptive" and target.can_be_off):
            yield "forced while it thinks"


def thinking_fits(body: Body, target: Target) -> Iterator[str]:
    """API errors: "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024", "`max_tokens` must be
    greater than `thinking.budget_tokens`", "`temperature` may only be set to 1 when thinking is enabled"; top_p from 0.95,
    no top_k; `enabled` only up to Claude 4.6, `adaptive` only from it (Anthropic docs, Extended and Adaptive thinking)."""
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking["type"]
    if kind == "enabled":
        if not target.budget:
            yield "this model takes no budget"
        if not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
            yield f"a budget of {thinking['budget_tokens']} of {body['max_tokens']}"
    if kind == "adaptive" and not target.adaptive:
        yield "this model does not think adaptively"
    if kind == "disabled" and not target.can_be_off:
        yield "this model cannot stop thinking"
    if kind in ("enabled", "adaptive"):
        if body.get("temperature", 1) != 1 or body.get("top_p", 1) < 0.95 or "top_k" in body:
            yield "sampling beside thinking"


def thinking_comes_back(body: Body, target: Target) -> Iterator[str]:
    """API errors: "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final
    assistant message must start with a thinking block", "thinking.signature: Field required", "The final block in an
    assistant message cannot be `thinking`" (Anthropic docs, Extended thinking)."""
    turns = _turns(body)
    for index, (role, blocks) in enumerate(turns):
        for block in blocks:
            if block["type"] == "thinking" and not block.get("signature"):
                yield "thinking without a signature"
        if role == "assistant" and blocks[-1]["type"] in ("thinking", "redacted_thinking"):
            yield "a turn that ends in thinking"
        answered = any(b["type"] == "tool_use" for b in blocks) and index == len(turns) - 2
        if body.get("thinking", {}).get("type") == "enabled" and role == "assistant" and answered:
            if blocks[0]["type"] not in ("thinking", "redacted_thinking"):
                yield "the turn that goes on does not begin with its thinking"


def sampling_fits(body: Body, target: Target) -> Iterator[str]:
    """temperature "ranges from 0.0 to 1.0"; "`temperature` and `top_p` cannot both be specified for this model"; from Claude
    4.7 on neither, nor top_k (Anthropic docs, Migration guide)."""
    if not 0 <= body.get("temperature", 0) <= 1:
        yield f"temperature {body['temperature']}"
    if target.vendor and target.one_of and "temperature" in body and "top_p" in body:
        yield "temperature and top_p"
    if not target.sampling and body.keys() & {"temperature", "top_p", "top_k"}:
        yield "sampling on a model that takes none"


def sizes_fit(body: Body, target: Target) -> Iterator[str]:
    """API errors: "max_tokens: Field required", "max_tokens: 70000 > 64000, which is the maximum allowed number of output
    tokens"; metadata.user_id "maxLength 256"; "stop_sequences: each stop sequence must contain non-whitespace" (Anthropic
    docs, Messages API, Errors)."""
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 0:
        yield f"max_tokens {body.get('max_tokens')}"
    elif target.max_tokens is not None and body["max_tokens"] > target.max_tokens:
        yield f"max_tokens {body['max_tokens']}"
    if len(body.get("metadata", {}).get("user_id", "")) > 256:
        yield "user_id is too long"
    if any(not stop.strip() for stop in body.get("stop_sequences", ())):
        yield "a blank stop sequence"


def effort_is_known(body: Body, target: Target) -> Iterator[str]:
    """output_config.effort is low, medium, high, xhigh or max, as far as the model knows it (Anthropic docs, Effort)."""
    effort = body.get("output_config", {}).get("effort")
    if effort is not None and effort not in target.efforts:
        yield effort


def cache_marks_are_few_and_in_order(body: Body, target: Target) -> Iterator[str]:
    """API errors: "A maximum of 4 blocks with cache_control may be provided", "a ttl='1h' cache_control block must not come
    after a ttl='5m' cache_control block. Note that blocks are processed in the following order: `tools`, `system`,
    `messages`.", "cache_control cannot be set for empty text blocks", "Top-level cache_control has ttl='5m' but the target
    block already has cache_control with ttl='1h'" (Anthropic docs, Prompt caching; vellum-assistant#23414)."""
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    for message in body["messages"]:
        if isinstance(message["content"], list):
            blocks += message["content"]
    marks = [block["cache_control"] for block in blocks if "cache_control" in block]
    last = blocks[-1].get("cache_control") if blocks else None
    top = body.get("cache_control")
    if top is not None and last is not None and last.get("ttl", "5m") != top.get("ttl", "5m"):
        yield "the automatic mark and another on the last block"
    marks += [top] if top is not None else []
    if len(marks) > 4:
        yield f"{len(marks)} marks"
    short = False
    for mark in marks:
        if mark.get("ttl") == "1h" and short:
            yield "1h after 5m"
        short = short or mark.get("ttl", "5m") == "5m"
    if any("cache_control" in b for b in blocks if b.get("type") in ("thinking", "redacted_thinking")):
        yield "a mark on thinking"


def media_are_taken(body: Body, target: Target) -> Iterator[str]:
    """media_type is one of image/jpeg, image/png, image/gif, image/webp (Anthropic SDK, `types/base64_image_source_param.py`)."""
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            source = block.get("source", {}) if block["type"] == "image" else {}
            if source.get("type") == "base64" and source["media_type"] not in _IMAGES:
                yield str(source["media_type"])


RULES: tuple[Rule, ...] = (
    known_members, somebody_speaks, contents_say_something, blocks_stand_where_they_may, ends_as_it_may, calls_are_answered,
    tools_are_well_formed, strict_schemas_are_few_and_simple, choice_fits, thinking_fits, thinking_comes_back,
    sampling_fits, sizes_fit, effort_is_known, cache_marks_are_few_and_in_order, media_are_taken,
)  # fmt: skip


def check(body: Body, target: Target) -> list[str]:
    """What Anthropic would refuse of this body."""
    return broken(RULES, body, target)
