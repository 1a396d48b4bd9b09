"""Inline `<think>...</think>` at the start of a text, as servers without a reasoning parser send it
(docs/protocols/reasoning.md#where-reasoning-stands-in-answers).

Tags may be cut anywhere; how a text is cut never changes what comes out. A `<think>` later in the text is text.
"""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkSplitter:
    """feed(text) -> [(is thinking, text)]; finish() -> what was held back."""

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._held = ""
        self._state = "start"  # then: opened, inside, after, text

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """More of the text."""
        if self._state == "text":
            return [(False, text)] if text else []
        text, self._held = self._held + text, ""
        out: list[tuple[bool, str]] = []
        if self._state == "start":
            text = self._at_start(text)
        if self._state == "opened":
            text = self._without_newlines(text, "inside")
        if self._state == "inside":
            text = self._inside(text, out)
        if self._state == "after":  # engines put blank lines between reasoning and answer
            text = self._without_newlines(text, "text")
        if self._state == "text" and text:
            out.append((False, text))
        return out

    def finish(self) -> list[tuple[bool, str]]:
        """The text is over. What never became a tag is what it was."""
        held, self._held = self._held, ""
        return [(self._state == "inside", held)] if held else []

    def _at_start(self, text: str) -> str:
        begun = text.lstrip()
        if begun.startswith(_OPEN):
            self._state = "opened"
            return begun[len(_OPEN) :]
        if _OPEN.startswith(begun):
            self._held = text
            return ""
        self._state = "text"
        return text

    def _without_newlines(self, text: str, then: str) -> str:
        text = text.lstrip("\n")
        if text:
            self._state = then
        return text

    def _inside(self, text: str, out: list[tuple[bool, str]]) -> str:
        at = text.find(_CLOSE)
        if at >= 0:
            if thinking := text[:at]:
                out.append((True, thinking))
            self._state = "after"
            return text[at + len(_CLOSE) :]
        keep = next((size for size in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:size])), 0)
        cut = len(text) - keep
        if text[:cut]:
            out.append((True, text[:cut]))
        self._held = text[cut:]
        return ""
