"""Chat's answers as typed values: one chunk of a stream, or a whole body, which is one big chunk. One decode each.

Lenient: what servers send in many shapes is `Any` here and read by the helpers below. Not here: what the
values mean (seen.py), and what is told of them (reader.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec

from ...wire.sse import BOM, data_of
from ..base import UsageOption
from ..decoding import UNREADABLE
from .odd import shaped


class Function(msgspec.Struct, gc=False):
    """A call's name, and its arguments or (of a custom tool) its input. Servers send arguments as objects, too."""

    name: str | None = None
    arguments: Any = None
    input: str | None = None
    parameters: Any = None


class Call(msgspec.Struct, gc=False):
    """One tool call, or a piece of one. extra_content: Gemini's, which must come back with it; provider_specific_fields:
    where LiteLLM has the same. name, arguments: of servers that leave `function` out."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: Function | None = None
    custom: Function | None = None
    extra_content: Any = None
    provider_specific_fields: Any = None
    name: str | None = None
    arguments: Any = None

    def beside(self) -> dict[str, Any]:
        """What must come back with it."""
        return signed(
            {
                "extra_content": self.extra_content,
                "provider_specific_fields": self.provider_specific_fields,
            }
        )

    def said(self) -> tuple[str, str]:
        """(name, arguments), each "" where this piece holds none."""
        inner = self.custom or self.function
        if inner is None:
            return self.name or "", _as_text(self.arguments)
        text = inner.input if inner.input is not None else inner.arguments
        return inner.name or self.name or "", _as_text(inner.parameters if text is None else text)


def _as_text(arguments: Any) -> str:
    """Seen: an object where the protocol wants its text (docs/protocols/tools.md#calls-of-weak-models)."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


_TOLD_BESIDE = ("type", "index", "id", "format")
"""Members of a reasoning detail that say nothing alone."""


def signed(beside: dict[str, Any]) -> dict[str, Any]:
    """The members that hold words. Flags alone (`thought: true` beside Gemini's thoughts) need not come back."""
    return {name: value for name, value in beside.items() if _words(value)}


def _words(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_words, value.values()))
    return any(map(_words, value)) if isinstance(value, list) else isinstance(value, str) and bool(value)


class Delta(msgspec.Struct, gc=False):
    """`delta` of a chunk, `message` of a whole answer."""

    content: str | list[Any] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_text: Any = None
    thinking: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: list[Call] | None = None
    function_call: Function | None = None
    annotations: Any = None
    images: Any = None
    extra_content: Any = None

    def thought(self) -> str:
        """Reasoning under whichever name; some servers send it under both
        (docs/protocols/reasoning.md#where-reasoning-stands-in-answers)."""
        if not (self.reasoning_content or self.reasoning or self.reasoning_text or self.thinking):
            return ""
        for found in (self.reasoning_content, self.reasoning, self.reasoning_text, self.thinking):
            if isinstance(found, dict):
                found = found.get("content") or found.get("text")
            if isinstance(found, str) and found:
                return found
        return ""

    def details(self) -> list[dict[str, Any]]:
        """The reasoning details that say something: words, a signature, encrypted data, what only their maker knows."""
        if not isinstance(self.reasoning_details, list):
            return []
        found = (one for one in self.reasoning_details if isinstance(one, dict))
        return [one for one in found if any(value for name, value in one.items() if name not in _TOLD_BESIDE)]

    def calls(self) -> list[Call]:
        """Tool calls, and the older `function_call`, of which there is one."""
        found = self.tool_calls or []
        if self.function_call is None:
            return found
        return [*found, Call(None if found else 0, function=self.function_call)]


class Choice(msgspec.Struct, gc=False):
    """One choice. Some servers stream `message` where the protocol wants `delta`. stop_reason: vLLM's, the
    sequence. usage: some servers tell it here (Moonshot); any shape. error: OpenRouter's, of this choice."""

    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    usage: Any = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """One event of a stream, or a whole answer. usage: see usage.py. x_groq: where Groq tells it, too."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
    citations: Any = None
    search_results: Any = None

    @property
    def sources(self) -> list[Any]:
        """What all of the answer rests on, which some tell beside it: URLs, or pages with a URL and a title."""
        lists = (one for one in (self.search_results, self.citations) if isinstance(one, list))
        return [{"url": one} if isinstance(one, str) else one for found in lists for one in found]


decode = msgspec.json.Decoder(Chunk).decode
"""Raises one of UNREADABLE."""


def decode_odd(data: bytes) -> Chunk | None:
    """What decode() refused, with its members brought to the types that belong there. None when it is no JSON of this
    protocol at all."""
    data = data.removeprefix(BOM)
    with suppress(*UNREADABLE):  # its characters have been put together
        return decode(data)
    try:
        return msgspec.convert(shaped(msgspec.json.decode(data, type=dict[str, Any])), Chunk)
    except UNREADABLE:
        return None


def pieces(content: list[Any]) -> Iterator[tuple[bool, str]]:
    """(is thinking, text) of a content that is a list of parts (Mistral)."""
    for one in content:
        if isinstance(one, str):
            yield False, one
        if not isinstance(one, dict):
            continue
        if one.get("type") != "thinking":
            yield False, str(one.get("text") or "")
            continue
        thoughts = one.get("thinking")
        if isinstance(thoughts, str):
            yield True, thoughts
        for thought in thoughts if isinstance(thoughts, list) else ():
            if isinstance(thought, dict):
                yield True, str(thought.get("text") or "")


def unknown_output(data: bytes) -> dict[str, Any]:
    """What a frame's delta holds that the types above do not know (audio, images, what a vendor adds next year)."""
    try:
        choices = msgspec.json.decode(data)["choices"]
        deltas = [choice.get("delta") or choice.get("message") or {} for choice in choices]
        members = [member for delta in deltas for member in delta.items()]
    except (*UNREADABLE, LookupError, TypeError, AttributeError):
        return {}
    known = (*Delta.__struct_fields__, "role")
    return {name: value for name, value in members if value and name not in known}


def is_extra_usage(event: bytes) -> bool:
    """Is this the last, choice-less chunk that `stream_options.include_usage` adds?"""
    if b'"usage"' not in event:
        return False
    try:
        chunk = decode(data_of(event))
    except UNREADABLE:
        return False
    return not chunk.choices and chunk.usage is not None and chunk.error is None


USAGE_OPTION = UsageOption("stream_options", "include_usage", is_extra_usage)
"""https://platform.openai.com/docs/api-reference/chat/create: without it a stream tells no usage."""


_NOTHING = (None,) * 6


def says_text_alone(frame: Chunk) -> bool:
    """Is a text the only thing that it says of the answer? Told once more, it would change nothing else."""
    if not frame.choices or len(frame.choices) > 1:
        return False
    choice = frame.choices[0]
    delta = choice.delta
    if delta is None or type(delta.content) is not str or delta.thought():
        return False
    beside = (frame.error, frame.usage, frame.x_groq, frame.citations, frame.search_results, choice.usage)
    end = (
        choice.finish_reason,
        choice.error,
        choice.message,
        delta.refusal,
        delta.tool_calls,
        delta.function_call,
    )
    more = (delta.annotations, delta.images, delta.extra_content, delta.reasoning_details, None, None)
    return beside == _NOTHING and end == _NOTHING and more == _NOTHING
