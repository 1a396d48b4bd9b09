"""A whole Messages answer, both ways. unfold() and fold() make it equal to the stream (reader.py, writer.py)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ...conversation.parts import AssistantPart, Foreign, Opaque, Refusal, Text, Thinking, ToolCall
from ...conversation.profile import Profile
from ...conversation.reply import Reply
from ..base import Answering
from .answering import (
    HIDE,
    SHOW,
    display,
    ending,
    foreign_blocks,
    message_id,
    redacted_block,
    signature,
)
from .content_in import OWN
from .content_in import citation as citation_in
from .content_out import citation, tool_use
from .plain_words import compact, words
from .usage import own_tier, rendered


def parts_of(content: list[dict[str, Any]], answer_id: str, profile: Profile) -> list[AssistantPart]:
    """A whole answer's blocks as parts."""
    ids: set[str] = set()
    found = (_part(block, index, answer_id, profile, ids) for index, block in enumerate(content))
    return [part for part in found if part is not None]


def _part(
    block: dict[str, Any], index: int, answer_id: str, profile: Profile, ids: set[str]
) -> AssistantPart | None:
    match block.get("type"):
        case "text":
            said = str(block.get("text") or "")
            found = block.get("citations")
            cites = found if isinstance(found, list) else ()
            cited = tuple(citation_in(one) for one in cites if isinstance(one, dict))
            return Text(said, None, cited) if said or cited else None
        case "thinking":
            return thinking(block, str(block.get("thinking") or ""), profile)
        case "redacted_thinking":
            return Thinking("", Opaque(OWN, block, profile.backend), redacted=True)
        case "tool_use" if block.get("name"):
            name = str(block["name"])
            call_id = own_id(str(block.get("id") or ""), index, name, answer_id, ids)
            return ToolCall(call_id, name, compact(block.get("input") or {}))
    return Foreign(OWN, str(block.get("type") or ""), block, words(block))


def thinking(block: dict[str, Any], text: str, profile: Profile) -> Thinking | None:
    """A thinking block; its exact form is what its maker wants back, signed or not. None when it holds nothing."""
    if not text and not block.get("signature"):
        return None
    return Thinking(text, Opaque(OWN, block, profile.backend))


def own_id(call_id: str, index: int, name: str, answer_id: str, seen: set[str]) -> str:
    """The call's id: made up where there is none, with a suffix where it was used before
    (docs/protocols/tools.md#call-ids)."""
    if not call_id:
        call_id = "call_" + hashlib.sha256(f"{index}:{name}:{answer_id}".encode()).hexdigest()[:24]
    found, count = call_id, 1
    while found in seen:
        count += 1
        found = f"{call_id}_{count}"
    seen.add(found)
    return found


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's body. The model is named as the client named it."""
    content: list[dict[str, Any]] = []
    shown = display(answering.request)
    refused = ""
    for part in reply.parts:
        content.extend(_blocks(part, shown, answering))
        if isinstance(part, Refusal) and part.text.strip():
            refused += part.text
    called = any(isinstance(part, ToolCall) for part in reply.parts)
    usage = rendered(reply.usage)
    tier = own_tier(reply.service_tier)
    if tier is not None:
        usage["service_tier"] = tier
    message = {
        "id": message_id(reply.id, answering.request_id),
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
            found = [c for c in (citation(one, synthetic=True) for one in part.citations) if c is not None]
            if not part.text.strip() and not found:
                return []  # a client would send it back, and "empty or whitespace-only text blocks are rejected"
            block: dict[str, Any] = {"type": "text", "text": part.text}
            return [{**block, "citations": found} if found else block]
        case Refusal():
            return [{"type": "text", "text": part.text}] if part.text.strip() else []
        case ToolCall():
            return [tool_use(part)]
        case Foreign():
            return foreign_blocks(part)
        case Thinking():
            if shown == HIDE or not (part.text or part.opaque):
                return []
            redacted = redacted_block(part.opaque)
            if redacted is not None:
                return [redacted]
            text = part.text if shown == SHOW else ""
            sign = signature(part.opaque, answering.capsules)
            return [{"type": "thinking", "thinking": text, "signature": sign}]
