"""Counting tokens by a local server's own tokenizer: the paths of two engines, asked one after the other.

Not here: which backend is asked, and what is told when none answers (gateway/attempt/count.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from ..kinds import Protocol

Ask = Callable[[str, dict[str, Any]], Awaitable[bytes | None]]
"""Posts a body to a path; the answer's body, None when there was none with status 200."""

RENDERED_IN = Protocol.OPENAI_CHAT
"""Both engines count what is written as a request of this protocol."""
_KEYS = ("model", "messages", "tools")

T = TypeVar("T")


async def count_by_tokenizer(ask: Ask, rendered: Mapping[str, Any]) -> int | None:
    """Tokens of a request, None when the server has no such path. vLLM's `/tokenize` takes chat messages and tells the
    count; llama.cpp renders the prompt first."""
    body = {key: rendered[key] for key in _KEYS if key in rendered}
    found = await ask("/tokenize", body)
    counted = _member(found, "count", int)
    if counted is not None:
        return counted
    if found is None:
        return None
    prompt = _member(await ask("/apply-template", body), "prompt", str)
    if prompt is None:
        return None
    found = await ask("/tokenize", {"content": prompt, "add_special": True})
    return len(_member(found, "tokens", list) or []) or None


def _member(body: bytes | None, key: str, kind: type[T]) -> T | None:
    """One member of an answer that should be an object, None when it is not there or of another type."""
    try:
        value = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, kind) else None
