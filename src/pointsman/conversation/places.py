"""Where thinking stood among what an assistant turn said and called. Chat's form of a turn, one text and a list of calls,
does not tell it; what is signed must come back in its order (docs/protocols/reasoning.md#order-of-thinking).

Pure. Not here: who carries a place (dialects/openai_chat), who remembers it (translation/reasoning_store.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .parts import Part, Text, Thinking, ToolCall

Place = tuple[int, int]
"""(characters of text, calls) that came before."""


def in_place(parts: Sequence[Part], thoughts: Sequence[tuple[Thinking, Place]]) -> list[Part]:
    """The turn with its thinking where it stood. parts: the rest of it. A text is cut where thinking stood inside it; what
    has no place stands behind all that has."""
    rest = list(parts)
    out: list[Part] = []
    done = Before()
    for thought, (characters, calls) in thoughts:
        while (at := _next(rest, characters > done.characters, calls > done.calls)) is not None:
            part = rest.pop(at)
            left = characters - done.characters
            if isinstance(part, Text) and len(part.text) > left:
                rest.insert(at, msgspec.structs.replace(part, text=part.text[left:]))
                part = msgspec.structs.replace(part, text=part.text[:left], cache=None, citations=())
            done.pass_by(part)
            out.append(part)
        out.append(thought)
    return [*out, *rest]


def _next(rest: list[Part], text: bool, call: bool) -> int | None:
    """Which part still stands before the thinking: one that may be said or called, or anything else in front of it."""
    for at, part in enumerate(rest):
        if isinstance(part, Text):
            if text:
                return at
        elif isinstance(part, ToolCall):
            if call:
                return at
        elif at == 0 and (text or call):
            return at
    return None


class Before:
    """Counts what came before, part by part in the answer's order."""

    __slots__ = ("calls", "characters")

    def __init__(self) -> None:
        self.characters = 0
        self.calls = 0

    def pass_by(self, part: Part) -> None:
        """One more part."""
        if isinstance(part, Text):
            self.characters += len(part.text)
        self.calls += isinstance(part, ToolCall)

    @property
    def here(self) -> Place:
        """The place that comes next."""
        return self.characters, self.calls
