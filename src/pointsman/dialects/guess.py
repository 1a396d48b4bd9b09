"""To which path a request body was meant, by its members alone: for one that somebody shows without saying where it was
sent. Pure. A served request always says its path (paths.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OLLAMA = frozenset({"options", "keep_alive"})
_MESSAGES = frozenset({"system", "stop_sequences", "anthropic_version", "anthropic_beta"})
_BLOCKS = frozenset({"tool_use", "tool_result", "thinking", "redacted_thinking", "document"})
_EMBEDDINGS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})


def guessed_path(body: Mapping[str, Any]) -> str | None:
    """From `/v1` on; None where nothing tells."""
    if "messages" in body:
        if _OLLAMA & body.keys():
            return "/api/chat"
        return "/v1/messages" if _is_messages(body) else "/v1/chat/completions"
    if "prompt" in body:
        return "/api/generate" if _OLLAMA & body.keys() else "/v1/completions"
    if "input" in body:
        embeds = body.keys() <= _EMBEDDINGS and ("embed" in str(body.get("model")) or len(body.keys()) > 2)
        return "/v1/embeddings" if embeds else "/v1/responses"
    return None


def _is_messages(body: Mapping[str, Any]) -> bool:
    tools = body.get("tools")
    if _MESSAGES & body.keys() or any(
        isinstance(one, dict) and "input_schema" in one for one in _list(tools)
    ):
        return True
    return any(
        isinstance(part, dict) and part.get("type") in _BLOCKS
        for message in _list(body["messages"])
        if isinstance(message, dict)
        for part in _list(message.get("content"))
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
