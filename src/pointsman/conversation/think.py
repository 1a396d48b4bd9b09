"""Inline `<think>...</think>` at the start of a text, as servers without a reasoning parser send it (PROTOCOLS.md 7.4).

Tags may be cut anywhere. A `<think>` later in the text is text.
"""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkSplitter:
    """feed(text) -> [(is thinking, text)]; finish() -> what was held back. starts_inside: the opening tag is known to
    be missing (some chat templates put it into the prompt)."""

    __slots__ = ("_held", "_state")

    def __init__(self, *, starts_inside: bool = False) -> None:
        self._held = ""
        self._state = "inside" if starts_inside else "start"

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """More of the text."""
        if self._state == "text":
            return [(False, text)] if text else []
        text, self._held = self._held + text, ""
        out: list[tuple[bool, str]] = []
        if self._state == "start":
            text = self._at_start(text)
        if self._state == "inside":
            text = self._inside(text, out)
        if self._state == "after":
            text = text.lstrip("\n")  # engines put blank lines between reasoning and answer
            if text:
                self._state = "text"
        if self._state == "text" and text:
            out.append((False, text))
        return out

    def finish(self) -> list[tuple[bool, str]]:
        """The text is over."""
        held, self._held = self._held, ""
        if not held:
            return []
        return [(self._state == "inside", held)]

    def _at_start(self, text: str) -> str:
        begun = text.lstrip()
        if begun.startswith(_OPEN):
            self._state = "inside"
            return begun[len(_OPEN) :].removeprefix("\n")
        if _OPEN.startswith(begun):
            self._held = text
            return ""
        self._state = "text"
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
