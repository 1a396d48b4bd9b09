"""What a whole answer and a streamed one have in common: ids, blocks, stop reasons
(docs/protocols/stop-reasons.md, reasoning.md, tools.md)."""

from __future__ import annotations

from typing import Any

from ...conversation.events import Stop
from ...conversation.parts import Foreign, Opaque
from ...conversation.request import Request
from ..base import Answering
from ..capsule import Capsules
from ..shown import words_for
from .content_in import OWN
from .made_up import made_up_blocks

REASONS = {
    Stop.END: "end_turn",
    Stop.STOP_SEQUENCE: "stop_sequence",
    Stop.MAX_TOKENS: "max_tokens",
    Stop.TOOL_USE: "tool_use",
    Stop.PAUSE: "pause_turn",
    Stop.REFUSAL: "refusal",
    Stop.CONTEXT_WINDOW: "model_context_window_exceeded",
}
STOPS = {reason: stop for stop, reason in REASONS.items()}
SHOW, OMIT, HIDE = "show", "omit", "hide"


def display(request: Request) -> str:
    """What a client sees of thinking: shown where it said nothing, empty where it wants it omitted, nothing of it where
    it switched thinking off and the model thought all the same
    (docs/protocols/reasoning.md#thinking-that-was-not-wanted)."""
    thinking = request.thinking
    if thinking is None:
        return SHOW
    if thinking.type == "disabled":
        return HIDE
    return OMIT if thinking.display == "omitted" else SHOW


def signature(opaque: Opaque | None, capsules: Capsules) -> str:
    """Of a thinking block: the vendor's own where this is its block, else a capsule."""
    if opaque is not None and opaque.protocol == OWN and isinstance(opaque.data, dict):
        own = opaque.data.get("signature")
        if isinstance(own, str) and own:
            return own
    return capsules.seal(opaque)


def redacted_block(opaque: Opaque | None) -> dict[str, Any] | None:
    """The vendor's own redacted block, None for anything else."""
    if opaque is not None and opaque.protocol == OWN and isinstance(opaque.data, dict):
        return opaque.data if opaque.data.get("type") == "redacted_thinking" else None
    return None


def foreign_blocks(part: Foreign, answering: Answering) -> list[dict[str, Any]]:
    """Blocks of this vendor as they are; another's web search and run of code as this vendor's two blocks; else what it
    says in words."""
    if part.protocol == OWN:
        return [part.value]
    if isinstance(part.value, dict) and (made := made_up_blocks(part, answering.request_id)):
        return made
    text = words_for(part, answering.request).strip()
    return [{"type": "text", "text": text}] if text else []


def ending(
    stop: Stop, sequence: str | None, explanation: str | None, *, called: bool, refused: str
) -> dict[str, Any]:
    """`stop_reason`, `stop_sequence` and, of a refusal, `stop_details`. called: a tool was called. refused: the refusal's
    words, "" when there are none."""
    reason = REASONS[stop]
    if refused:
        reason = "refusal"
    elif stop is Stop.END and called:
        # several servers say "stop" whatever they did
        # (docs/protocols/stop-reasons.md#stop-although-tools-were-called)
        reason = "tool_use"
    elif stop is Stop.TOOL_USE and not called:
        reason = "end_turn"
    found: dict[str, Any] = {
        "stop_reason": reason,
        "stop_sequence": sequence if reason == "stop_sequence" else None,
    }
    if reason == "refusal":
        found["stop_details"] = {
            "type": "refusal",
            "category": None,
            "explanation": explanation or refused or None,
        }
    return found
