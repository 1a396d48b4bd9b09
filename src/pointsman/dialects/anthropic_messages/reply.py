"""A whole Messages answer, both ways. unfold() and fold() make it equal to the stream (reader.py, writer.py)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ...conversation.events import Stop
from ...conversation.parts import AssistantPart, Foreign, Opaque, Refusal, Text, Thinking, ToolCall
from ...conversation.profile import Profile
from ...conversation.reply import Reply
from ..base import Answering
from .answering import (
    HIDE,
    SHOW,
    STOPS,
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
from .errors import of as error_of
from .plain_words import compact, words
from .usage import Usage, neutral_tier, own_tier, rendered


class _Details(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct):
    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[dict[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _Details | None = None
    usage: Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Message).decode


def parse_reply(body: bytes, profile: Profile) -> Reply:
    """Raises ValueError when it is no answer of this protocol, PointsmanError when it is an error."""
    try:
        found = _decode(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if found.type == "error" or (found.error is not None and found.content is None):
        raise error_of(found.error)
    if found.content is None:
        raise ValueError("it has no content")
    reply = Reply(found.id or "", found.model or "")
    ids: set[str] = set()
    for index, block in enumerate(found.content):
        part = _part(block, index, reply, profile, ids)
        if part is not None:
            reply.parts.append(part)
    reply.stop = stop_of(found.stop_reason, any(isinstance(part, ToolCall) for part in reply.parts))
    reply.sequence = found.stop_sequence
    reply.explanation = found.stop_details.explanation if found.stop_details else None
    if found.usage is not None:
        reply.usage = found.usage.neutral()
        reply.service_tier = neutral_tier(found.usage.service_tier)
    return reply


def _part(
    block: dict[str, Any], index: int, reply: Reply, profile: Profile, ids: set[str]
) -> AssistantPart | None:
    match block.get("type"):
        case "text":
            said = str(block.get("text") or "")
            cited = tuple(citation_in(c) for c in block.get("citations") or () if isinstance(c, dict))
            return Text(said, None, cited) if said or cited else None
        case "thinking":
            return thinking(block, str(block.get("thinking") or ""), profile)
        case "redacted_thinking":
            return Thinking("", Opaque(OWN, block, profile.backend), redacted=True)
        case "tool_use" if block.get("name"):
            name = str(block["name"])
            call_id = own_id(str(block.get("id") or ""), index, name, reply.id, ids)
            return ToolCall(call_id, name, compact(block.get("input") or {}))
    return Foreign(OWN, str(block.get("type") or ""), block, words(block))


def thinking(block: dict[str, Any], text: str, profile: Profile) -> Thinking | None:
    """A thinking block; its exact form is what its maker wants back, signed or not. None when it holds nothing."""
    if not text and not block.get("signature"):
        return None
    return Thinking(text, Opaque(OWN, block, profile.backend))


def own_id(call_id: str, index: int, name: str, answer_id: str, seen: set[str]) -> str:
    """The call's id: made up where there is none, with a suffix where it was used before (PROTOCOLS.md 5.3)."""
    if not call_id:
        call_id = "call_" + hashlib.sha256(f"{index}:{name}:{answer_id}".encode()).hexdigest()[:24]
    found, count = call_id, 1
    while found in seen:
        count += 1
        found = f"{call_id}_{count}"
    seen.add(found)
    return found


def stop_of(reason: str | None, called: bool) -> Stop:
    """Why it stopped; a reason that is new or missing is judged by what came."""
    found = STOPS.get(reason) if reason is not None else None
    return found or (Stop.TOOL_USE if called else Stop.END)


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
