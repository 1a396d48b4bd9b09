"""A Responses stream for a client: a state machine whose legal moves are the table MOVES
(docs/protocols/streams.md#responses-streams).

A run of text parts is one message item with a content part each; a call, a reasoning is an item of its own. The
protocol repeats every item when it is done and all of them at the end: that, and no more, is kept.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Cited, Ended, Finished, PartEnd, PartKind, PartStart, Started, Stop
from ...conversation.parts import Citation, Foreign, Text, ToolKind
from ...conversation.reply import Reply, unfold
from ...errors import PointsmanError
from ...wire.http1 import digits
from ..base import Answering
from ..ids import own_id
from ..openai_parts import url_citation
from ..part_writer import PartWriter
from ..shown import pictures_of, words_for
from .client_tools import ClientTool, call_item, declared
from .errors import error_event, failed_value
from .reply import OWN, response_value, status_of

_TEXT = ("output_text.delta", "output_text.annotation.added", "output_text.done")
_NEXT_ITEM = ("output_item.added", "completed", "incomplete")
_FOLLOWS: dict[str, tuple[str, ...]] = {
    "": ("created",),
    "created": ("in_progress",),
    "in_progress": _NEXT_ITEM,
    "output_item.added": (
        "content_part.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "custom_tool_call_input.delta", "custom_tool_call_input.done", "reasoning_summary_part.added",
    ),
    "content_part.added": ("output_text.delta", "output_text.done", "refusal.delta", "refusal.done"),
    "output_text.delta": _TEXT,
    "output_text.annotation.added": _TEXT,
    "output_text.done": ("content_part.done",),
    "refusal.delta": ("refusal.delta", "refusal.done"),
    "refusal.done": ("content_part.done",),
    "content_part.done": ("content_part.added", "output_item.done"),
    "function_call_arguments.delta": ("function_call_arguments.delta", "function_call_arguments.done"),
    "function_call_arguments.done": ("output_item.done",),
    "custom_tool_call_input.delta": ("custom_tool_call_input.delta", "custom_tool_call_input.done"),
    "custom_tool_call_input.done": ("output_item.done",),
    "reasoning_summary_part.added": ("reasoning_summary_text.delta", "reasoning_summary_text.done"),
    "reasoning_summary_text.delta": ("reasoning_summary_text.delta", "reasoning_summary_text.done"),
    "reasoning_summary_text.done": ("reasoning_summary_part.done",),
    "reasoning_summary_part.done": ("output_item.done",),
    "output_item.done": _NEXT_ITEM,
}  # fmt: skip
_LAST = ("completed", "incomplete", "failed")
MOVES = {frame: frozenset((*after, "failed")) for frame, after in _FOLLOWS.items()}
MOVES |= {frame: frozenset[str]() for frame in _LAST}
"""Frame -> the frames that may follow it. Names are those of the events, without `response.`; a failure may
come after any that is not the last."""

_encode = msgspec.json.Encoder().encode
_PING = b": ping\n\n"
_THOUGHT = "reasoning_summary_text.delta"
_CALL = {
    ToolKind.FUNCTION: ("function_call", "fc_", "arguments", "function_call_arguments"),
    ToolKind.CUSTOM: ("custom_tool_call", "ctc_", "input", "custom_tool_call_input"),
}


class ResponsesWriter(PartWriter):
    """See dialects.base.Writer."""

    __slots__ = (
        "_annotations", "_around", "_cited", "_client_tool", "_client_tools", "_delta", "_item", "_number", "_output",
        "_part", "_silent", "_text",
    )  # fmt: skip

    def __init__(self, answering: Answering) -> None:
        super().__init__(answering, MOVES)
        self._number = 0
        self._output: list[dict[str, Any]] = []
        self._item: dict[str, Any] | None = None  # the open item
        self._part: PartStart | None = None
        self._text: list[str] = []
        self._cited: list[Citation] = []  # of the open text: it may be cited before it is said
        self._annotations: list[dict[str, Any]] = []
        self._silent = False  # nobody gets the frames
        self._delta = ""  # the frame of more of the open part, and what stands around its number and its text
        self._around = (b"", b"", b"")
        self._client_tools = declared(answering.request)
        self._client_tool: ClientTool | None = None  # whose call is open: it is told when it is whole

    def whole(self, reply: Reply) -> dict[str, Any]:
        """The response object of a whole reply."""
        self._silent = True
        parts = reply.parts
        if len(parts) == 1 and type(parts[0]) is Text and parts[0].text and not parts[0].citations:
            self._usage = reply.usage
            self._finish = Finished(
                reply.stop, reply.sequence, reply.explanation, reply.service_tier, reply.word
            )
            content = [{"type": "output_text", "text": parts[0].text, "annotations": [], "logprobs": []}]
            self._output.append({**self._message(), "status": self._status(), "content": content})
            return self._final()[1]
        for event in unfold(reply):
            if type(event) is not Ended:
                self.write(event)
        self._close_item()
        return self._final()[1]

    def ping(self) -> bytes:
        """See Writer: a comment, which every parser skips."""
        return _PING

    def fail(self, error: PointsmanError) -> bytes:
        """See Writer: `error`, on which the SDKs raise, and `response.failed`, with a code that Codex acts on."""
        response = response_value(self._answering, "failed", self._output, self._usage)
        response["error"] = failed_value(error)
        told = error_event(error, self._number)
        self._number += 1
        return told + self._frame("failed", {"response": response})

    # -- frames

    def _frame(self, kind: str, more: dict[str, Any]) -> bytes:
        self._moves.to(kind)
        if self._silent:
            return b""
        name = f"response.{kind}"
        value = {"type": name, "sequence_number": self._number, **more}
        self._number += 1
        return b"event: " + name.encode() + b"\ndata: " + _encode(value) + b"\n\n"

    def _begin(self, event: Started) -> bytes:
        response = {} if self._silent else response_value(self._answering, "in_progress", [], None)
        more = {"response": response}
        return self._frame("created", more) + self._frame("in_progress", more)

    def _places(self) -> dict[str, Any]:
        assert self._item is not None
        return {"item_id": self._item["id"], "output_index": len(self._output)}

    def _content_places(self) -> dict[str, Any]:
        assert self._item is not None
        return {**self._places(), "content_index": len(self._item["content"])}

    def more(self, text: str) -> bytes:
        """See PartWriter."""
        texts = self._text
        texts.append(text)
        if self._client_tool is not None:
            return b""
        if len(texts) == 1 and self._delta == _THOUGHT:
            empty = {"type": "summary_text", "text": ""}
            places = {**self._places(), "summary_index": 0, "part": empty}
            return self._frame("reasoning_summary_part.added", places) + self._piece(text)
        return self._piece(text)

    def _framed(self, kind: str, places: dict[str, Any], last: bytes = b"}") -> None:
        """What stands around each piece of a part, rendered once: frames of this kind, with these places before the text."""
        self._delta = kind
        name = f"response.{kind}".encode()
        before = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name, name)
        self._around = (before, b"," + _encode(places)[1:-1] + b',"delta":', last + b"\n\n")

    def _piece(self, text: str) -> bytes:
        self._moves.again(self._delta)
        if self._silent:
            return b""
        before, between, after = self._around
        number = self._number
        self._number = number + 1
        return b"".join((before, digits(number), between, _encode(text), after))

    def _cite(self, event: Cited) -> bytes:
        self._cited.append(event.citation)
        return b""

    def _annotate(self, text: str) -> bytes:
        out: list[bytes] = []
        for one in self._cited:
            found = url_citation(one, len(text))
            if found is not None:
                value = {"type": "url_citation", **found}
                more = {"annotation_index": len(self._annotations), "annotation": value}
                self._annotations.append(value)
                if text:
                    out.append(
                        self._frame("output_text.annotation.added", {**self._content_places(), **more})
                    )
        self._cited.clear()
        return b"".join(out)

    # -- items

    def _add_item(self, item: dict[str, Any]) -> bytes:
        self._item = item
        return self._frame("output_item.added", {"output_index": len(self._output), "item": item})

    def _close(self) -> bytes:
        out = self._close_item()
        kind, response = self._final()
        return out + self._frame(kind, {"response": response})

    def _close_item(self) -> bytes:
        """The open message, if there is one: other items close with their part."""
        item = self._item
        if item is None:
            return b""
        item["status"] = self._status()
        return self._item_done(item)

    def _status(self) -> str:
        return "incomplete" if self._finish.stop is Stop.MAX_TOKENS else "completed"

    def _item_done(self, item: dict[str, Any]) -> bytes:
        out = self._frame("output_item.done", {"output_index": len(self._output), "item": item})
        self._output.append(item)
        self._item = None
        return out

    def _own_id(self, prefix: str) -> str:
        return f"{own_id(prefix, self._answering.request_id)}_{len(self._output)}"

    def _start(self, event: PartStart) -> bytes:
        foreign = event.foreign
        if foreign is not None and foreign.protocol != OWN:
            found = self._other(foreign)
            self._part = event
            return found
        self._part = event
        self._text.clear()
        self._annotations = []
        if event.kind in (PartKind.TEXT, PartKind.REFUSAL):
            return self._start_text(event)
        out = self._close_item()
        if event.kind is PartKind.TOOL:
            self._client_tool = self._client_tools.get(event.name) if event.namespace is None else None
            if self._client_tool is not None:
                return out
            return out + self._start_call(event)
        if event.kind is PartKind.THINKING:
            out += self._add_item({"id": self._own_id("rs_"), "type": "reasoning", "summary": []})
            self._framed(_THOUGHT, {**self._places(), "summary_index": 0})
            return out
        assert foreign is not None
        return out + self._add_item(foreign.value)

    def _other(self, foreign: Foreign) -> bytes:
        """Another protocol's own block: its words in the message, its pictures as items of their own
        (docs/protocols/messages.md#pictures-in-an-answer)."""
        drawn = [one.data for one in pictures_of(foreign) if one.data is not None]
        if not drawn:
            links = "".join(f"\n\n![]({one.url})\n\n" for one in pictures_of(foreign))
            return self._say(links or words_for(foreign, self._answering.request))
        out = self._close_item()
        for data in drawn:
            item = {"id": self._own_id("ig_"), "type": "image_generation_call", "status": "completed"}
            out += self._add_item({**item, "status": "in_progress", "result": None})
            out += self._item_done({**item, "result": data})
        return out

    def _say(self, text: str) -> bytes:
        """A text part that is complete."""
        if not text:
            return b""
        out = self._start(PartStart(0, PartKind.TEXT)) + self.more(text)
        return out + self._end(PartEnd(0))

    def _start_call(self, event: PartStart) -> bytes:
        kind, prefix, field, told = _CALL[event.tool_kind]
        item = {"id": f"{prefix}{event.call_id}", "type": kind, "status": "in_progress", field: ""}
        item |= {"call_id": event.call_id, "name": event.name}
        if event.namespace is not None:
            item["namespace"] = event.namespace
        out = self._add_item(item)
        self._framed(f"{told}.delta", self._places())
        return out

    def _start_text(self, event: PartStart) -> bytes:
        out = b""
        if self._item is None:
            out = self._add_item({**self._message(), "content": []})
        places = self._content_places()
        if event.kind is PartKind.TEXT:
            self._framed("output_text.delta", places, b',"logprobs":[]}')
        else:
            self._framed("refusal.delta", places)
        return out + self._frame("content_part.added", {**places, "part": self._content(event, "")})

    def _message(self) -> dict[str, Any]:
        own = self._own_id("msg_")
        return {"id": own, "type": "message", "status": "in_progress", "role": "assistant"}

    def _content(self, event: PartStart, text: str) -> dict[str, Any]:
        if event.kind is PartKind.REFUSAL:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": self._annotations, "logprobs": []}

    def _end(self, event: PartEnd) -> bytes:
        part, self._part = self._part, None
        assert part is not None
        text = "".join(self._text)
        if self._client_tool is not None and part.kind is PartKind.TOOL:
            return self._client_call(part, self._client_tool, text)
        item = self._item
        if item is None or (part.foreign is not None and part.foreign.protocol != OWN):
            return b""
        if part.kind is PartKind.TEXT or part.kind is PartKind.REFUSAL:
            places = self._content_places()
            if part.kind is PartKind.TEXT:
                out = self._annotate(text)
                out += self._frame("output_text.done", {**places, "text": text, "logprobs": []})
            else:
                out = self._frame("refusal.done", {**places, "refusal": text})
            content = self._content(part, text)
            out += self._frame("content_part.done", {**places, "part": content})
            item["content"] = [*item["content"], content]
            return out
        if part.kind is PartKind.TOOL:
            return self._end_call(part, item, text)
        if part.kind is PartKind.THINKING:
            return self._end_reasoning(event, item, text)
        return self._item_done(item)

    def _client_call(self, part: PartStart, tool: ClientTool, text: str) -> bytes:
        """Of a tool that has items of its own (docs/protocols/tools.md#client-tools-by-name)."""
        self._client_tool = None
        item = call_item(tool, part.call_id, text, self._status())
        if item is not None:
            return self._add_item({**item, "status": "in_progress"}) + self._item_done(item)
        out = self._start_call(part)
        if text:
            out += self._piece(text)
        assert self._item is not None
        return out + self._end_call(part, self._item, text)

    def _end_call(self, part: PartStart, item: dict[str, Any], text: str) -> bytes:
        _, _, field, event = _CALL[part.tool_kind]
        if not text and part.tool_kind is ToolKind.FUNCTION:
            text = "{}"
        done = {**self._places(), field: text}
        if part.tool_kind is ToolKind.FUNCTION:
            done["name"] = part.name
        out = self._frame(f"{event}.done", done)
        return out + self._item_done({**item, field: text, "status": self._status()})

    def _end_reasoning(self, event: PartEnd, item: dict[str, Any], text: str) -> bytes:
        out = b""
        if text:
            places = {**self._places(), "summary_index": 0}
            summary = {"type": "summary_text", "text": text}
            out = self._frame("reasoning_summary_text.done", {**places, "text": text})
            out += self._frame("reasoning_summary_part.done", {**places, "part": summary})
            item = {**item, "summary": [summary]}
        opaque = event.opaque
        if opaque is not None:
            if opaque.protocol == OWN and isinstance(opaque.data, dict):
                item = {**item, "encrypted_content": opaque.data.get("encrypted_content")}
            else:
                item = {**item, "encrypted_content": self._answering.capsules.seal(opaque)}
        return out + self._item_done(item)

    def _final(self) -> tuple[str, dict[str, Any]]:
        finish = self._finish
        status, details = status_of(finish.stop)
        if finish.stop is Stop.REFUSAL and any(
            part["type"] == "refusal" for item in self._output for part in item.get("content") or []
        ):
            # a refusal in words is a complete answer (docs/protocols/stop-reasons.md#from-openai)
            status, details = "completed", None
        response = response_value(self._answering, status, self._output, self._usage)
        response["incomplete_details"] = details
        if finish.service_tier is not None:
            response["service_tier"] = finish.service_tier
        if self._answering.keep is not None:
            items = [(str(item.get("id") or ""), _encode(item)) for item in self._output]
            self._answering.keep(response["id"], items, msgspec.json.encode({**response, "output": []}))
        return status, response


def render_reply(reply: Reply, answering: Answering) -> bytes:
    """The client's whole body: what its stream would have ended with."""
    return msgspec.json.encode(ResponsesWriter(answering).whole(reply))
