"""Inline `<think>...</think>` at the start of a text, as servers without a reasoning parser send it, in the tags of each
family (docs/protocols/reasoning.md#where-reasoning-stands-in-answers).

Tags may be cut anywhere; how a text is cut never changes what comes out. An opening tag later in the text is text.
"""

from __future__ import annotations

import re

USUAL, UNOPENED = "<think>", "</think>"
"""The tags that most have; the closing one alone where a template opens it in the prompt, so that the answer begins
inside."""
_TAGS = {
    USUAL: UNOPENED,  # DeepSeek, Qwen, GLM and most others
    "<thought>": "</thought>",  # Gemini and Gemma over Chat
    "[THINK]": "[/THINK]",  # Magistral
    "<seed:think>": "</seed:think>",  # Seed
    "\u25c1think\u25b7": "\u25c1/think\u25b7",  # Kimi-VL
    "<|channel>thought": "<channel|>",  # Gemma 4
    "<|channel|>analysis<|message|>": "<|end|><|start|>assistant<|channel|>final<|message|>",  # gpt-oss
}
"""Opening tag -> closing tag."""
CLOSING = tuple(close for close in _TAGS.values() if "|" not in close)
"""Those that stand alone where the opening one is in the prompt."""
CLOSES = re.compile("|".join(map(re.escape, CLOSING)))
IN_ALL = "/"
"""What no closing tag is without: looked for first, since few texts have it."""
_LONGEST = max(map(len, CLOSING))
EMPTY = "empty "
"""Before a closing tag with nothing before it: a model that was told not to think."""
FIRSTS = frozenset(tag[0] for tag in _TAGS)
"""What a text with reasoning in it can begin with, besides white space."""
PATIENCE = 256 * 1024
"""Characters held for a closing tag at most; a longer text is text."""


def closes(text: str) -> re.Match[str] | None:
    """The first closing tag that stands in it."""
    return CLOSES.search(text) if IN_ALL in text else None


class ThinkSplitter:
    """feed(text) -> [(is thinking, text)]; finish() -> what was held back.

    patient: a text may begin inside its reasoning, without an opening tag, so it is held until its closing tag, or until
    its end says that there is none. told: the reasoning came elsewhere, so that only the tag that ends it can stand here.
    tag: by which the reasoning was found: the opening one, or one of CLOSING, after EMPTY where there was none; "" while
    none.
    """

    __slots__ = ("_close", "_held", "_patient", "_pieces", "_size", "_state", "_tail", "tag", "told")

    def __init__(self, patient: bool = False, *, told: bool = False) -> None:
        self._patient = patient
        self.told = told
        self._held = ""
        self._pieces: list[str] = []  # what waits for a closing tag
        self._size = 0  # of that
        self._tail = ""  # its end, where a tag may have begun
        self._state = "start"  # then: opened, inside, after, text; or waiting first
        self._close = ""
        self.tag = ""

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """More of the text."""
        if self._state == "text":
            return [(False, text)] if text else []
        text, self._held = self._held + text, ""
        out: list[tuple[bool, str]] = []
        if self._state == "start":
            text = self._at_start(text)
        if self._state == "waiting":
            text = self._waiting(text, out)
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
        out: list[tuple[bool, str]] = []
        if self._state == "waiting":
            held, self._pieces = "".join(self._pieces), []
            at, close = _unopened(held, over=True)
            if at >= 0:
                held = self._split(held, at, close, out).lstrip("\n")
            self._state = "text"
        return [*out, (self._state == "inside", held)] if held else out

    def _at_start(self, text: str) -> str:
        begun = text.lstrip()
        for tag, close in () if self.told else _TAGS.items():
            if begun.startswith(tag):
                self._state, self._close, self.tag = "opened", close, tag
                return begun[len(tag) :]
        closing = CLOSES.match(begun)
        if closing is not None:
            self._state, self.tag = "after", EMPTY + closing[0]
            return begun[closing.end() :]
        if any(tag.startswith(begun) for tag in (CLOSING if self.told else (*_TAGS, *CLOSING))):
            self._held = text
            return ""
        self._state = "waiting" if self._patient else "text"
        return text

    def _waiting(self, text: str, out: list[tuple[bool, str]]) -> str:
        self._pieces.append(text)
        self._size += len(text)
        window = self._tail + text
        self._tail = window[-_LONGEST:]
        at, close = _NOT_YET, ""
        if closes(window) or self._size > PATIENCE:
            whole = "".join(self._pieces)
            at, close = _unopened(whole, over=False)
            if at == _NEVER or self._size > PATIENCE:
                self._pieces, self._state = [], "text"
                return whole
            self._pieces = [whole]
        if at == _NOT_YET:
            return ""
        whole, self._pieces = self._pieces[0], []
        return self._split(whole, at, close, out)

    def _split(self, text: str, at: int, close: str, out: list[tuple[bool, str]]) -> str:
        self.tag = close
        self._state = "after"
        if text[:at].strip():
            out.append((True, text[:at]))
        return text[at + len(close) :]

    def _without_newlines(self, text: str, then: str) -> str:
        text = text.lstrip("\n")
        if text:
            self._state = then
        return text

    def _inside(self, text: str, out: list[tuple[bool, str]]) -> str:
        close = self._close
        at = text.find(close)
        if at >= 0:
            if thinking := text[:at]:
                out.append((True, thinking))
            self._state = "after"
            return text[at + len(close) :]
        keep = next((size for size in range(len(close) - 1, 0, -1) if text.endswith(close[:size])), 0)
        cut = len(text) - keep
        if text[:cut]:
            out.append((True, text[:cut]))
        self._held = text[cut:]
        return ""


_NOT_YET, _NEVER = -1, -2
_QUOTES = frozenset("`'\"")


def _unopened(text: str, *, over: bool) -> tuple[int, str]:
    """Where the closing tag of reasoning stands that was never opened, and which. It is a token of its own there; one that
    the text speaks of stands in quotes, in code or after a space among words, and then all of it is text (_NEVER). over:
    no more follows."""
    found = closes(text)
    if found is None:
        return _NOT_YET, ""
    at, close = found.start(), found[0]
    before, after = text[at - 1 : at] if at else "", text[found.end() :][:1]
    if not after and not over:
        return _NOT_YET, ""
    spoken_of = before in (" ", "\t") and after not in ("", "\n", "\r")
    quoted = before in _QUOTES or after in _QUOTES or text.count("```", 0, at) % 2 == 1
    opened = any(tag in text[:at] for tag, end in _TAGS.items() if end == close)
    return (_NEVER if spoken_of or quoted or opened else at), close
