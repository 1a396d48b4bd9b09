"""A whole Messages answer, written. Not here: reading one, which is told as a stream (reader.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Stop
from ...conversation.parts import AssistantPart, Foreign, Refusal, Text, Thinking, ToolCall
from ...conversation.reply import Reply
from ..base import Answering
from ..ids import own_id
from .answering import (
    HIDE,
    REASONS,
    SHOW,
    display,
    ending,
    foreign_blocks,
    redacted_block,
    signature,
)
from .cited import blocks_of
from .content_out import tool_use
from .usage import own_tier, rendered

_encode = msgspec.json.Encoder().encode
_ALONE = frozenset((Stop.END, Stop.STOP_SEQUENCE, Stop.MAX_TOKENS, Stop.CONTEXT_WINDOW))
"""Why an answer of one text stops, where nothing else stands in it."""


class _Message(msgspec.Struct, gc=False):
    id: str
    type: str
    role: str
    model: str
    content: list[dict[str, Any]]
    stop_reason: str
    stop_sequence: str | None
    usage: dict[str, Any]


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's body. The model is named as the client named it."""
    parts = reply.parts
    if len(parts) == 1 and reply.stop in _ALONE and type(parts[0]) is Text:
        return _of_text(parts[0], reply, answering)
    content: list[dict[str, Any]] = []
    shown = display(answering.request)
    refused, called = "", False
    for part in parts:
        content += _blocks(part, shown, answering)
        if type(part) is ToolCall:
            called = True
        elif type(part) is Refusal and part.text.strip():
            refused += part.text
    message = {
        "id": own_id("msg_", answering.request_id),
        "type": "message",
        "role": "assistant",
        "model": answering.request.model,
        "content": content,
        **ending(reply.stop, reply.sequence, reply.explanation, called=called, refused=refused),
        "usage": _usage(reply),
    }
    return _encode(message)


def _usage(reply: Reply) -> dict[str, Any]:
    usage = rendered(reply.usage)
    tier = reply.service_tier
    if tier is not None and (tier := own_tier(tier)) is not None:
        usage["service_tier"] = tier
    return usage


def _of_text(part: Text, reply: Reply, answering: Answering) -> bytes:
    """The same of one text and nothing else, as most are."""
    stop = reply.stop
    sequence = reply.sequence if stop is Stop.STOP_SEQUENCE else None
    own, model = own_id("msg_", answering.request_id), answering.request.model
    content = blocks_of(part.text, part.citations)
    return _encode(
        _Message(own, "message", "assistant", model, content, REASONS[stop], sequence, _usage(reply))
    )


def _blocks(part: AssistantPart, shown: str, answering: Answering) -> list[dict[str, Any]]:
    match part:
        case Text():
            return blocks_of(part.text, part.citations)
        case Refusal():
            return [{"type": "text", "text": part.text}] if part.text.strip() else []
        case ToolCall():
            return [tool_use(part)]
        case Foreign():
            return foreign_blocks(part, answering)
        case Thinking():
            if shown == HIDE or not (part.text or part.opaque):
                return []
            redacted = redacted_block(part.opaque)
            if redacted is not None:
                return [redacted]
            text = part.text if shown == SHOW else ""
            sign = signature(part.opaque, answering.capsules)
            return [{"type": "thinking", "thinking": text, "signature": sign}]
