"""What a Chat answer's reader remembers of each call that it tells. Not here: which piece is of which call (calls.py)."""

from __future__ import annotations

from .calls import Tool


class ToldCall:
    """How far a call has been told. id: as its client gets it. part: its index among the parts, once it has begun.
    number: among the calls that have, from 1. waiting: arguments that came before it began. sealed: what stands
    beside it has been told. text: all of its arguments. twin: an earlier call of the same index, id and name, which
    this one may only repeat."""

    __slots__ = ("id", "number", "part", "sealed", "text", "tool", "twin", "waiting")

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.id = ""
        self.part = -1
        self.number = 0
        self.waiting = ""
        self.sealed = False
        self.text: list[str] = []
        self.twin: ToldCall | None = None

    @property
    def repeats(self) -> bool:
        """The whole answer again, at its end."""
        return self.twin is not None and "".join(self.twin.text) == "".join(self.text)

    def is_twin(self, tool: Tool) -> bool:
        """May `tool` be this call once more?"""
        own = self.tool
        return own is not tool and (own.id, own.name, own.index) == (tool.id, tool.name, tool.index)
