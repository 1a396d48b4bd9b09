"""Ollama's whole answers, and the facts of a stream's last line. Pure. Not here: streams (writer.py)."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

import msgspec

from ...conversation.events import Finished, Stop
from ...conversation.parts import Foreign, Refusal, Text, Thinking, ToolCall
from ...conversation.reply import Reply
from ...conversation.usage import TokenUsage
from ..base import Answering
from ..shown import pictures_of, words_for
from .lines import encode, told_time

REASON = {
    Stop.END: "stop",
    Stop.STOP_SEQUENCE: "stop",
    Stop.MAX_TOKENS: "length",
    Stop.TOOL_USE: "stop",  # as Ollama itself says after a call
    Stop.PAUSE: "length",  # what cannot be continued is told as cut
    Stop.REFUSAL: "content_filter",
    Stop.CONTEXT_WINDOW: "length",
}
"""Ollama's own are stop, length, load, unload; a refusal is none of them
(docs/protocols/ollama.md#why-it-stopped)."""


def ending(finish: Finished, usage: TokenUsage | None, answering: Answering) -> dict[str, Any]:
    """What the last line has besides. What nobody measured is left out, as Ollama leaves out what is 0 (`omitempty`)."""
    counts = {} if usage is None else {"prompt_eval_count": usage.input, "eval_count": usage.output}
    return {
        "done": True,
        "done_reason": REASON[finish.stop],
        "total_duration": monotonic_ns() - answering.began,
        **{name: count for name, count in counts.items() if count is not None},
    }


def head(answering: Answering) -> dict[str, Any]:
    """How every line begins."""
    return {"model": answering.request.model, "created_at": told_time(answering.created)}


def call_value(index: int, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    """One call: its arguments are an object here, and not its text."""
    function = {"index": index, "name": name, "arguments": msgspec.Raw((arguments or "{}").encode())}
    return {"id": call_id, "function": function}


class _Told:
    """What of a reply's parts goes where."""

    def __init__(self, reply: Reply, answering: Answering) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.pictures: list[str] = []
        refused = False
        for part in reply.parts:
            match part:
                case Text():
                    self.texts.append(part.text)
                case Refusal():
                    refused = True
                    self.texts.append(part.text)
                case Thinking():
                    self.thoughts.append(part.text)
                case ToolCall():
                    self.calls.append(call_value(len(self.calls), part.id, part.name, part.arguments))
                case Foreign():
                    self.pictures += picture_data(part)
                    self.texts.append(other_text(part, answering))
        if reply.stop is Stop.REFUSAL and reply.explanation and not refused:
            self.texts.append(reply.explanation)

    def members(self, text: str) -> dict[str, Any]:
        """text: what the member of the text is called."""
        found: dict[str, Any] = {text: "".join(self.texts)}
        if any(self.thoughts):
            found["thinking"] = "\n\n".join(filter(None, self.thoughts))
        return found


def picture_data(part: Foreign) -> list[str]:
    """Pictures that the model made, where they came with it."""
    return [one.data for one in pictures_of(part) if one.data]


def other_text(part: Foreign, answering: Answering) -> str:
    """A block of another protocol in words: the addresses of its pictures, or what it says."""
    if part.shown:
        return "".join(f"\n\n![]({one.url})\n\n" for one in pictures_of(part) if one.url and not one.data)
    return words_for(part, answering.request)


def render_chat(reply: Reply, answering: Answering) -> bytes:
    """The client's whole body."""
    told = _Told(reply, answering)
    message: dict[str, Any] = {"role": "assistant", **told.members("content")}
    if told.pictures:
        message["images"] = told.pictures
    if told.calls:
        message["tool_calls"] = told.calls
    return encode({**head(answering), "message": message, **_ending(reply, answering)})


def render_generate(reply: Reply, answering: Answering) -> bytes:
    """The client's whole body; it has place for one picture."""
    told = _Told(reply, answering)
    picture = {"image": told.pictures[0]} if told.pictures else {}
    return encode({**head(answering), **told.members("response"), **picture, **_ending(reply, answering)})


def _ending(reply: Reply, answering: Answering) -> dict[str, Any]:
    return ending(Finished(reply.stop), reply.usage, answering)
