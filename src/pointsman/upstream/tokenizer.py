"""Counting tokens by a local server's own tokenizer: as the engine's row says; while nobody knows which engine it is,
as the row says of any other.

Not here: how an engine counts (engines/); which backend is asked, and what is told when none answers
(gateway/attempt/count.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from ..engines.engine import Counting, Engine
from ..engines.registry import ENGINES
from ..kinds import Protocol

Ask = Callable[[str, Mapping[str, Any]], Awaitable[bytes | None]]
"""Posts a body to a path; the answer's body, None when there was none with status 200."""

RENDERED_IN = Protocol.OPENAI_CHAT
"""Engines count what is written as a request of this protocol."""


async def count_by_tokenizer(ask: Ask, rendered: Mapping[str, Any], engine: Engine | None) -> int | None:
    """Tokens of a request, None when the server has no path for it. engine: None while nobody knows which it is."""
    way = (engine or ENGINES[-1]).count
    return None if way is None else await _counted(ask, way(rendered))


async def _counted(ask: Ask, steps: Counting) -> int | None:
    try:
        question = next(steps)
        while True:
            question = steps.send(_json(await ask(question.path, question.body or {})))
    except StopIteration as end:
        found = end.value
        return found if isinstance(found, int) else None


def _json(body: bytes | None) -> Any:
    try:
        return msgspec.json.decode(body or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
