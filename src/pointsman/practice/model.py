"""What the practice model says: a question in neutral form in, an answer in neutral form out. No protocol.

It is a rehearsal partner, not a language model: the same question always gets the same answer, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol

from .sample import sample

CREATED = 1_767_225_600
"""The time in every answer (2026-01-01): a clock would make two equal answers differ."""

_COUNTED = 1 << 17
_READ = 8192  # how much of the end of the last message is searched for a wish
_PIECE = re.compile(r"\s*(?:\w{1,8}|[^\w\s]{1,4})|\s+")
_WANTS_TOOL = re.compile(
    r"\b(?:use|call|invoke|run)\s+(?:a|an|the|any|your|this|that)?\s*(?:tools?|functions?)\b", re.I
)
_WANTS_ALL = re.compile(
    r"\b(?:all|both|several)\s+(?:of\s+)?(?:the\s+|your\s+)?(?:tools|functions)\b|\bin parallel\b", re.I
)
_GREETING = "Hello from Pointsman's practice model: no key, no cost, and nothing left this machine."
_THOUGHT = "The practice model pretends to think here: it reads the question, then repeats what was said."
_LONG = " The practice model keeps talking so that there is something to stream."


class PracticeError(Exception):
    """The request is refused: a status, a sentence, and the words the protocols want."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class PracticeTool:
    """A tool the caller offers. schema: of its input; custom: takes free text instead of JSON."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    custom: bool = False


@dataclass(frozen=True, slots=True)
class PracticeCall:
    """One tool call. arguments: JSON text, or free text for a custom tool."""

    id: str
    name: str
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A request in neutral form. choice: "auto", "none", "required" or a tool's name. The caller asked for
    summary: a summary of the thinking, thought_hidden: none of its text, sealed: a capsule to send back,
    schema: JSON of this shape as the answer. echo: fields an answer repeats."""

    id: str
    model: str
    text: str = ""
    tool_result: str | None = None
    tools: tuple[PracticeTool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    thinks: bool = False
    thought_hidden: bool = False
    summary: bool = False
    sealed: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    input_tokens: int = 0
    long: bool = False
    echo: Mapping[str, Any] = field(default_factory=dict)


class StopReason(Enum):
    """Why the answer ended."""

    END = "end"
    LENGTH = "length"
    TOOL = "tool"
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class PracticeAnswer:
    """An answer in neutral form, with what it cost."""

    thinking: str = ""
    text: str = ""
    calls: tuple[PracticeCall, ...] = ()
    stop: StopReason = StopReason.END
    stop_sequence: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    thinking_tokens: int = 0


EMPTY = PracticeAnswer()
"""An answer without any output: the `empty` fault."""


class Phase(Enum):
    """Where in a stream a frame stands; the faults cut at these places."""

    START = "start"  # before any output
    OUTPUT = "output"
    END = "end"  # the end of a good answer


@dataclass(frozen=True, slots=True)
class PracticeFrame:
    """One server-sent event, complete with its blank line."""

    stage: Phase
    data: bytes


class Speaker(Protocol):
    """What each protocol's module offers."""

    def parse(self, body: Mapping[str, Any], fingerprint: str) -> Ask: ...
    def whole(self, ask: Ask, answer: PracticeAnswer) -> dict[str, Any]: ...
    def frames(self, ask: Ask, answer: PracticeAnswer) -> Iterator[PracticeFrame]: ...
    def error_body(self, problem: PracticeError, request_id: str) -> dict[str, Any]: ...
    def error_frames(self, ask: Ask, problem: PracticeError, sent: int) -> list[bytes]: ...


def fingerprint(body: bytes) -> str:
    """24 hex digits that stand for a request: ids are made of them, so equal requests get equal ids."""
    return hashlib.sha256(body).hexdigest()[:24]


def compact(value: Any) -> str:
    """JSON without spaces, as the providers send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pieces(text: str) -> list[str]:
    """Text cut into what this model calls tokens; they join to exactly the text."""
    return _PIECE.findall(text)


def count(value: Any) -> int:
    """How many tokens a text, or everything in a JSON value, is. A very long text is only measured: this runs
    in the data plane's loop, which must not be held up."""
    if not value:
        return 0
    text = value if isinstance(value, str) else compact(value)
    return len(pieces(text)) if len(text) <= _COUNTED else len(text) // 4


def shorten(text: str, limit: int = 200) -> str:
    """One line, at most `limit` characters."""
    line = " ".join(text[: limit * 8].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def compose(ask: Ask) -> PracticeAnswer:
    """The answer to a question."""
    thinking = _THOUGHT if ask.thinks else ""
    answer = PracticeAnswer(thinking=thinking, calls=_calls(ask), input_tokens=ask.input_tokens)
    if answer.calls:
        answer = replace(answer, stop=StopReason.TOOL)
    else:
        answer = _stopped(replace(answer, text=_text(ask)), ask.stop)
    return _limited(answer, ask.max_tokens)


def _text(ask: Ask) -> str:
    if ask.schema is not None:
        return compact(sample(ask.schema, shorten(ask.text, 80)))
    if ask.tool_result is not None:
        said = f'{_GREETING} The tool returned: "{shorten(ask.tool_result)}".'
    elif ask.text:
        said = f'{_GREETING} You said: "{shorten(ask.text)}".'
    else:
        said = _GREETING
    return said + _LONG * 30 if ask.long else said


def _calls(ask: Ask) -> tuple[PracticeCall, ...]:
    wanted = _wanted(ask)
    return tuple(
        PracticeCall(f"{ask.id}{index}", tool.name, _arguments(tool, ask.text), tool.custom)
        for index, tool in enumerate(wanted if ask.parallel else wanted[:1])
    )


def _wanted(ask: Ask) -> tuple[PracticeTool, ...]:
    if not ask.tools or ask.choice == "none":
        return ()
    if ask.choice not in ("auto", "required"):
        return tuple(tool for tool in ask.tools if tool.name == ask.choice)
    text = ask.text[-_READ:]
    named = tuple(tool for tool in ask.tools if _names(text, tool.name))
    if ask.choice == "required":
        return ask.tools if _WANTS_ALL.search(text) else (named or ask.tools)[:1]
    if ask.tool_result is not None:
        return ()
    if _WANTS_ALL.search(text):
        return ask.tools
    return named or (ask.tools[:1] if _WANTS_TOOL.search(text) else ())


def _names(text: str, name: str) -> bool:
    """Whether a text asks for a tool by name. An ordinary word (`Read`) needs a verb before it."""
    verb = "" if "_" in name or "-" in name else r"\b(?:use|call|invoke|run)\s+(?:the\s+)?[`'\"]?"
    return bool(name) and re.search(rf"{verb}(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _arguments(tool: PracticeTool, text: str) -> str:
    said = shorten(text, 80) or "practice"
    if tool.custom:
        return said
    value = sample(tool.schema, said) if tool.schema else {}
    return compact(value if isinstance(value, dict) else {})


def _stopped(answer: PracticeAnswer, stop: tuple[str, ...]) -> PracticeAnswer:
    found = [(answer.text.find(word), word) for word in stop if word and word in answer.text]
    if not found:
        return answer
    at, word = min(found)
    return replace(answer, text=answer.text[:at], stop=StopReason.SEQUENCE, stop_sequence=word)


def _limited(answer: PracticeAnswer, limit: int | None) -> PracticeAnswer:
    """Count the output and cut it where the caller's limit is: thinking first, calls whole or not at all."""
    thoughts, tokens = pieces(answer.thinking), pieces(answer.text)
    call_tokens = sum(4 + count(call.arguments) for call in answer.calls)
    total = len(thoughts) + len(tokens) + call_tokens
    if limit is None or total <= limit:
        return replace(answer, output_tokens=total, thinking_tokens=len(thoughts))
    thoughts = thoughts[:limit]
    tokens = tokens[: limit - len(thoughts)]
    return replace(
        answer,
        thinking="".join(thoughts),
        text="".join(tokens),
        calls=(),
        stop=StopReason.LENGTH,
        stop_sequence=None,
        output_tokens=limit if answer.calls else len(thoughts) + len(tokens),
        thinking_tokens=len(thoughts),
    )
