"""Which requests of different protocols ask for the same: equal in neutral form in all that protocols share. By it a
recording answers in a protocol in which it was not made (docs/replay.md). Pure.

Not here: which requests of one protocol are equal, where every field counts (same_request.py).
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

import msgspec

from ..conversation.parts import Thinking, ToolCall, ToolKind, ToolResult
from ..conversation.request import Request, Tool, ToolChoice
from ..dialects.ids import upstream_id

_UNMEANT = frozenset((
    "stream", "include_usage", "user", "cache_key", "cache_auto", "service_tier", "metadata", "legacy_functions", "phases",
    "raw", "paths", "plain", "texts", "summary", "max_tokens",
))  # fmt: skip
"""Fields of a request that one protocol has, or that change no answer."""
_IDS = ("id", "call_id")
"""Of calls, which are told otherwise in another protocol."""
_BESIDE = frozenset(("path", "cache"))
"""Fields of parts that say where something stood, or what may be cached."""


def meant(request: Request) -> bytes:
    """The same bytes for the same request, whichever protocol it came in, and whether as a stream or not; but for how long
    its answer may be, which one protocol has to say and others seldom do."""
    names = [name for name in request.__struct_fields__ if name not in _UNMEANT]
    told = {name: value for name in names if (value := _plain(getattr(request, name))) not in _NOTHING}
    if request.parallel_tools:
        del told["parallel_tools"]
    if request.n == 1:
        del told["n"]
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")


_NOTHING: tuple[Any, ...] = (None, [], "", {})


def _plain(value: Any) -> Any:
    """As JSON has it. Reasoning goes: it is its maker's, and no other protocol has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, ToolChoice) and value == ToolChoice("auto"):
        return None
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value if not isinstance(one, Thinking)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    names = [name for name in value.__struct_fields__ if name not in _BESIDE]
    told = {name: found for name in names if (found := _plain(getattr(value, name))) not in _NOTHING}
    told["is"] = type(value).__name__
    if isinstance(value, Tool) and value.strict_unsaid:
        told.pop("strict", None)
        told.pop("strict_unsaid")
    for name in _IDS:
        if name in told and isinstance(value, (ToolCall, ToolResult)):
            told[name] = upstream_id(told[name])
    if isinstance(value, ToolCall) and value.kind is ToolKind.FUNCTION:
        told["arguments"] = _arguments(value.arguments)
    return told


def _arguments(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
