"""A whole Messages answer, written. Not here: reading one, which is told as a stream (reader.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import AssistantPart, Foreign, Refusal, Text, Thinking, ToolCall
from ...conversation.reply import Reply
from ..base import Answering
from ..ids import own_id
from .answering import (
    HIDE,
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


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's body. The model is named as the client named it."""
    content: list[dict[str, Any]] = []
    shown = display(answering.request)
    refused, called = "", False
    for part in reply.parts:
        content += _blocks(part, shown, answering)
        if type(part) is ToolCall:
            called = True
        elif type(part) is Refusal and part.text.strip():
            refused += part.text
    usage = rendered(reply.usage)
    tier = own_tier(reply.service_tier)
    if tier is not None:
        usage["service_tier"] = tier
    message = {
        "id": own_id("msg_", answering.request_id),
        "type": "message",
        "role": "assistant",
        "model": answering.request.model,
        "content": content,
        **ending(reply.stop, reply.sequence, reply.explanation, called=called, refused=refused),
        "usage": usage,
    }
    return msgspec.json.encode(message)


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
