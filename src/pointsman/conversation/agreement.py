"""Do two answers to one request agree? Told in numbers, of which nobody can make the answers again. Pure.

Tools: did both call the same ones, and with the same arguments. Structured output: is it the same value. Text has no right
answer: for it there is only how alike the words are (likeness.py). Not here: where the answers come from, and what a report
makes of many.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec

from .events import Stop
from .likeness import likeness
from .parts import Refusal, Text, ToolCall, ToolKind
from .reply import Reply


class Agreement(msgspec.Struct, frozen=True):
    """tools: the same tools were called, in any order, as often; arguments: with the same arguments, too; both None where
    neither answer called one. structured: the same JSON value, None where none was asked for, or the first answer has none.
    likeness: of the texts, None where neither has any."""

    tools: bool | None
    arguments: bool | None
    structured: bool | None
    likeness: float | None

    @property
    def verdict(self) -> bool | None:
        """Would the second have done in the first's place? By its calls, else by its structured output; None where only
        words could tell."""
        return self.arguments if self.arguments is not None else self.structured


def agreement(first: Reply, second: Reply, *, structured: bool) -> Agreement:
    """structured: JSON was asked for."""
    ours, theirs = _calls(first), _calls(second)
    tools = arguments = None
    if ours or theirs:
        tools = Counter(name for name, _ in ours) == Counter(name for name, _ in theirs)
        arguments = Counter(ours) == Counter(theirs)
    text, other = text_of(first), text_of(second)
    same = None
    if structured and not ours and (wanted := _value(text)) is not None:
        same = _value(other) == wanted
    return Agreement(tools, arguments, same, likeness(text, other) if text or other else None)


def text_of(reply: Reply) -> str:
    """What it says to its reader, a refusal's words included; no reasoning."""
    return "".join(part.text for part in reply.parts if isinstance(part, Text | Refusal))


def refuses(reply: Reply) -> bool:
    """Does the model say, in its protocol's own way, that it will not answer?"""
    return reply.stop is Stop.REFUSAL or any(isinstance(part, Refusal) for part in reply.parts)


def _calls(reply: Reply) -> list[tuple[str, str]]:
    return [(one.name, _arguments(one)) for one in reply.parts if isinstance(one, ToolCall)]


def _arguments(call: ToolCall) -> str:
    """In one form, whatever the order of their members and the spaces between; as they came where they are no JSON."""
    if call.kind is ToolKind.CUSTOM:
        return call.arguments
    value = _value(call.arguments or "{}")
    return call.arguments if value is None else value


def _value(text: str) -> str | None:
    """JSON in one form (1 and 1.0 are one number), None of what is none."""
    try:
        return json.dumps(_plain(json.loads(text)), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
