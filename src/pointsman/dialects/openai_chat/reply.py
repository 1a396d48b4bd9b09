"""Whole Chat answers, written (docs/protocols/stop-reasons.md, usage.md). Pure. Not here: streams
(writer.py), and reading (reader.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Stop
from ...conversation.parts import (
    Citation,
    Foreign,
    Image,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
)
from ...conversation.places import Place
from ...conversation.reply import Reply
from ...conversation.usage import TokenUsage
from ..base import Answering
from ..ids import own_id
from ..openai_parts import url_citation
from ..shown import pictures_of, url_of, words_for

OWN = "openai_chat"
FORMAT = "pointsman-v1"
"""`format` of the reasoning details that we tell."""
FINISH = {
    Stop.END: "stop",
    Stop.STOP_SEQUENCE: "stop",
    Stop.MAX_TOKENS: "length",
    Stop.TOOL_USE: "tool_calls",
    # docs/protocols/stop-reasons.md#from-messages: what cannot be continued is told as cut
    Stop.PAUSE: "length",
    Stop.REFUSAL: "content_filter",
    Stop.CONTEXT_WINDOW: "length",
}


_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct, gc=False):
    role: str
    content: str
    refusal: None


class _Choice(msgspec.Struct, gc=False):
    index: int
    message: _Message
    logprobs: None
    finish_reason: str


class _Completion(msgspec.Struct, omit_defaults=True, gc=False):
    id: str
    object: str
    created: int
    model: str
    choices: tuple[_Choice]
    usage: dict[str, Any] | None = None
    service_tier: str | None = None


def usage_value(usage: TokenUsage | None) -> dict[str, Any] | None:
    """Chat's usage object (docs/protocols/usage.md#what-each-protocol-counts)."""
    if usage is None or (usage.input is None and usage.output is None):
        return None
    prompt, completion = usage.input or 0, usage.output or 0
    details = {"cached_tokens": usage.cached or 0}
    if usage.cache_write:
        details["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }


def annotation_value(citation: Citation, offset: int, length: int) -> dict[str, Any] | None:
    """A web citation with places in the whole text (docs/protocols/messages.md#citations)."""
    found = url_citation(citation, length, offset)
    return None if found is None else {"type": "url_citation", "url_citation": found}


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's whole body."""
    finish, parts = FINISH[reply.stop], reply.parts
    if len(parts) == 1 and finish in _ALONE and type(parts[0]) is Text and reply.sequence is None:
        text = parts[0]
        if not text.citations:
            return _of_text(text.text, finish, reply, answering)
    message = _message(reply, answering)
    if answering.request.legacy_functions and finish == "tool_calls":
        finish = "function_call"
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    if reply.sequence is not None:
        choice["stop_reason"] = reply.sequence  # vLLM's name for it: OpenAI never says which
    body: dict[str, Any] = {
        "id": own_id("chatcmpl-", answering.request_id),
        "object": "chat.completion",
        "created": answering.created,
        "model": answering.request.model,
        "choices": [choice],
    }
    usage = usage_value(reply.usage)
    if usage is not None:
        body["usage"] = usage
    if reply.service_tier is not None:
        body["service_tier"] = reply.service_tier
    return _encode(body)


_ALONE = frozenset(("stop", "length"))
"""Why an answer of one text stops, where nothing else stands in it."""


def _of_text(text: str, finish: str, reply: Reply, answering: Answering) -> bytes:
    """The same of one text and nothing else, as most are."""
    choice = _Choice(0, _Message("assistant", text, None), None, finish)
    own, model = own_id("chatcmpl-", answering.request_id), answering.request.model
    usage = usage_value(reply.usage)
    made = _Completion(own, "chat.completion", answering.created, model, (choice,), usage, reply.service_tier)
    return _encode(made)


def _message(reply: Reply, answering: Answering) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    refusal = reply.explanation if reply.stop is Stop.REFUSAL else None
    for part in reply.parts:
        match part:
            case Text():
                if part.citations:
                    offset = sum(map(len, texts))
                    found = (annotation_value(one, offset, len(part.text)) for one in part.citations)
                    annotations += [one for one in found if one is not None]
                texts.append(part.text)
            case Thinking():
                thoughts.append(part.text)
                details.append(
                    detail_value(part, len(details), answering, (sum(map(len, texts)), len(calls)))
                )
            case Refusal():
                refusal = part.text
            case ToolCall():
                calls.append(call_value(part))
            case Foreign():
                images += [image_value(one, len(images)) for one in pictures_of(part)]
                texts += [] if part.shown else [words_for(part, answering.request)]
    text = "".join(texts)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    if thoughts:
        if any(thoughts):
            message["reasoning_content"] = "\n\n".join(filter(None, thoughts))
        if any("signature" in one or "data" in one for one in details):
            message["reasoning_details"] = details
    if annotations:
        message["annotations"] = annotations
    if images:
        message["images"] = images
    if calls and answering.request.legacy_functions:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return message


def image_value(picture: Image, index: int) -> dict[str, Any]:
    """A picture that the model made, in OpenRouter's form; by `index` the SDK joins the lists of deltas."""
    return {"type": "image_url", "image_url": {"url": url_of(picture)}, "index": index}


def detail_value(part: Thinking, index: int, answering: Answering, place: Place) -> dict[str, Any]:
    """OpenRouter's carrier, which clients that know it send back; the signature is ours
    (docs/protocols/reasoning.md#capsules). place: where in the turn it stands, which Chat has no other way to tell
    (#order-of-thinking)."""
    value: dict[str, Any] = {
        "type": "reasoning.text",
        "text": part.text,
        "format": FORMAT,
        "index": index,
        "place": place,
    }
    if part.opaque is not None:
        value["signature"] = answering.capsules.seal(part.opaque)
    return value


def call_value(call: ToolCall) -> dict[str, Any]:
    """One call, of an answer or of a history."""
    if call.kind is ToolKind.CUSTOM:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function}
