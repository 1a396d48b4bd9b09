"""The one reading of a Messages answer: its frames in, facts out (grammar:
docs/protocols/streams.md#messages-streams).

The straight path, the translated one and a whole answer all come through see(). Not here: the parts of the
answer (reader.py, reply.py).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ...conversation.events import SILENT_STOPS, PartKind, Stop
from ...conversation.usage import TokenUsage, ran
from ...wire.jsontext import Closing
from ...wire.sse import data_of, name_of, unframed_error
from ..decoding import UNREADABLE, decode_object, read_whole
from ..seen import Seen
from ..vendor_errors import bare_error, body_error, is_named_error, names_error
from ..whole_again import Alike
from .answering import STOPS
from .errors import error_inside, is_error
from .frames import (
    KNOWN,
    PLAIN,
    Frame,
    FrameDelta,
    FrameMessage,
    Message,
    bare,
    decode,
    decode_whole,
)
from .plain_words import RUNS
from .usage import Counted, common_sums

_OF_DELTA = {
    "text_delta": PartKind.TEXT,
    "citations_delta": PartKind.TEXT,
    "thinking_delta": PartKind.THINKING,
    "signature_delta": PartKind.THINKING,
    "input_json_delta": PartKind.TOOL,
}
_OF_BLOCK = {
    "text": PartKind.TEXT,
    "thinking": PartKind.THINKING,
    "redacted_thinking": PartKind.THINKING,
    "tool_use": PartKind.TOOL,
}
_TOOL, _FOREIGN = PartKind.TOOL, PartKind.FOREIGN
_END, _TOOL_USE, _REFUSAL = Stop.END, Stop.TOOL_USE, Stop.REFUSAL
_MESSAGE_KINDS = (PartKind.TEXT, PartKind.THINKING)
_OF_TEXT = {"type", "text", "citations"}
_NO_DELTA = FrameDelta()
"""Never changed."""


class MessagesSeen(Seen):
    """See dialects.base.Seen. blocks: index -> the kind of the block that is open there, corrected where deltas
    are of another. called: a client's tool was called. counted: the usage object, merged, None before the first. last: the
    `delta` that told why it stopped. runs: of code, which the vendor charges by its time."""

    member = b'"content"'
    text_keys = (b'"text"', b'"thinking"')
    alike = Alike(
        b'"text"', (b'"id"',), (b'"input_tokens"', b'"output_tokens"', b'"cache_read_input_tokens"')
    )
    __slots__ = ("_texts", "blocks", "called", "counted", "last", "runs")

    def __init__(self) -> None:
        self._nothing_yet()
        self.blocks: dict[int, PartKind] = {}
        self._texts: dict[int, Closing] = {}  # by the block of a call
        self.called = False
        self.runs = 0
        self.counted: Counted | None = None
        self.last = _NO_DELTA

    def event(self, event: bytes) -> Frame | None:
        """See Seen. No frame also when the answer is over."""
        if self.finished or self.error is not None:
            return None
        data = data_of(event) or unframed_error(event)
        if not data:
            return None
        if self.halves is not None:
            data = self.mend(data)
        try:
            frame: Frame | None = decode(data)
        except UNREADABLE:
            frame = self._odd(self.mend(data), event)
        if frame is None:
            return None
        if frame.type not in PLAIN:
            self._named(frame, data, event)
        self.see(frame)
        return frame

    def text_alone(self, frame: object) -> str:
        """See Seen."""
        if not isinstance(frame, Frame) or frame.type != "content_block_delta" or frame.delta is None:
            return ""
        kind = self.blocks.get(frame.index)
        if (
            kind not in _MESSAGE_KINDS
            or _OF_DELTA.get(frame.delta.type) is not kind
            or frame.error is not None
        ):
            return ""
        if not self.output or self.finished or self.error is not None or self.halves is not None:
            return ""
        return (frame.delta.text if kind is PartKind.TEXT else frame.delta.thinking) or ""

    def _named(self, frame: Frame, data: bytes, event: bytes) -> None:
        """By what stands before it. An error without that name is none to the SDKs, which go by it."""
        name, named = name_of(event).decode("ascii", "replace"), is_named_error(event)
        if frame.error is None and (named or not frame.type or names_error(frame.type)):
            frame.error = bare_error(data, sure=named or frame.type == "error")
        if frame.error is not None:
            frame.type = "error"
            self.concluded = name != "error" or not is_error(data)
        frame.type = frame.type or name

    def whole(self, body: bytes) -> bool:
        """See Seen."""
        return self.take_whole(body) is not None

    def take_whole(self, body: bytes) -> Message | None:
        """A whole answer seen as the stream it could have been; None when it is none of this protocol."""
        message = read_whole(decode_whole, bare, body)
        if message is None or message.content is None or message.type == "error":
            found = body_error(body) if message is None or not message.error else message.error
            if found is not None or (message is not None and message.type == "error"):
                self.error = error_inside(found)
        if message is None or self.error is not None:
            return message
        self._message(message)
        if message.content is not None:
            for index, block in enumerate(message.content):
                self._block(index, block)
            self._told_why(message.ending)
            self._end()
        return message

    def whole_text(self, body: bytes) -> str:
        """See Seen."""
        message = self.take_whole(body)
        if message is None or message.content is None or len(message.content) != 1 or self.error is not None:
            return ""
        (block,) = message.content
        if block.get("type") != "text" or block.get("citations") or not block.keys() <= _OF_TEXT:
            return ""
        if self.refused or self.malformed or self.counted is None or not self.counted.common:
            return ""
        text = block.get("text")
        return text if isinstance(text, str) else ""

    @staticmethod
    def counts_of(counts: list[int | None], told: TokenUsage) -> TokenUsage | None:
        """See Seen."""
        asked, made, read = counts
        if asked is None or made is None:
            return None
        return common_sums(asked, made, read, told.cache_write, told.cache_write_long)

    def see(self, frame: Frame) -> None:
        """The facts of one frame."""
        if frame.type == "content_block_delta":  # by far the commonest
            delta = frame.delta
            if delta is not None:
                wanted = _OF_DELTA.get(delta.type)
                if wanted is None or self.blocks.get(frame.index) is not wanted:
                    self._stray(frame.index, wanted)
                elif wanted is _TOOL:
                    self._texts[frame.index].feed(delta.partial_json or "")
                if not self.output:
                    self.output = _says(delta)
        else:
            self._see_other(frame)

    def _see_other(self, frame: Frame) -> None:
        match frame.type:
            case "content_block_start":
                self._block(frame.index, frame.content_block or {})
            case "content_block_stop":
                self.blocks.pop(frame.index, None)
            case "message_start":
                if frame.message is not None:
                    self._message(frame.message)
            case "message_delta":
                self._count(frame.usage)
                if frame.delta is not None:
                    self._told_why(frame.delta)
            case "message_stop":
                self._end()
            case "error":
                self.error = error_inside(frame.error)

    def _odd(self, data: bytes, event: bytes) -> Frame | None:
        """Unknown events are legal whatever they hold; known ones of another shape are not."""
        if data.strip() == b"[DONE]":
            return None
        kind: str | None = None
        with suppress(*UNREADABLE):  # its characters have been put together
            return decode(data)
        try:
            value = decode_object(data)
            kind = str(value.get("type", ""))
            return decode(bare(value))
        except UNREADABLE:
            named = is_named_error(event)
            error = bare_error(data, sure=named) if named or not kind or names_error(kind) else None
            if error is not None:
                self.concluded = True
                return Frame("error", error=error)
            self.malformed += kind is None or kind in KNOWN
            return None

    def _message(self, message: FrameMessage) -> None:
        self.answer_id = self.answer_id or message.id
        self._count(message.usage)

    def _told_why(self, delta: FrameDelta) -> None:
        if delta.stop_reason is not None:
            self.last = delta
            self._stop(delta.stop_reason)

    def _count(self, report: Any) -> None:
        if not isinstance(report, dict):
            return
        if self.counted is None:
            self.counted = Counted()
        self.counted.add(report)
        self.usage = ran(self.counted.neutral(), self.runs)

    def _stray(self, index: int, wanted: PartKind | None) -> None:
        """A delta that is not of its block's kind. Compatible servers send text and thinking without a block of
        theirs (litellm 32357): they get one."""
        kind = self.blocks.get(index)
        if wanted in _MESSAGE_KINDS:
            self.malformed += 1
            self.blocks[index] = wanted
        elif kind is None or (wanted is _TOOL and kind in _MESSAGE_KINDS):
            self.malformed += 1

    def _block(self, index: int, start: dict[str, Any]) -> None:
        if index in self.blocks:
            self.malformed += 1
        kind = _OF_BLOCK.get(str(start.get("type")), _FOREIGN)
        if kind is _TOOL:
            if start.get("name"):
                self.called = True
                self._texts[index] = self.call_begun()
            else:
                self.malformed += 1
                kind = _FOREIGN
        elif kind is _FOREIGN and start.get("type") == "server_tool_use" and start.get("name") in RUNS:
            self.runs += 1
            self.usage = ran(self.usage, self.runs)
        self.blocks[index] = kind
        if not self.output:
            self.output = _starts_with_words(start) if start.get("type") in ("text", "thinking") else True

    def _stop(self, reason: str) -> None:
        stop = STOPS.get(reason)
        if stop is None:
            stop = self.other_stop(reason) or _END
        # docs/protocols/stop-reasons.md#stop-although-tools-were-called
        self.stop = _TOOL_USE if stop is _END and self.called else stop

    def _end(self) -> None:
        self.ended = True
        reason = self.last.stop_reason
        if reason is None:  # not a success: docs/protocols/stop-reasons.md#a-reason-is-required
            self.conclude("The backend ended its answer without saying why it stopped.")
            return
        if self.called and self.error is None:
            self._stop(reason)  # once more: the call may have come after the reason
        self.refused = self.refused or self.stop is _REFUSAL  # by the last reason that was told
        # "Refusal before output: no blocks" (recorded) is a real answer, not an empty one; so is a limit reached.
        self.output = self.output or self.stop not in SILENT_STOPS
        self.finished = self.error is None and not self.call_cut()


def _says(delta: FrameDelta) -> bool:
    match delta.type:
        case "text_delta":
            return bool(delta.text and not delta.text.isspace())
        case "thinking_delta":
            return bool(delta.thinking)
        case "signature_delta":
            return bool(delta.signature)
        case "citations_delta":
            return delta.citation is not None
    return False  # of a call or a vendor's block, which is output by starting


def _starts_with_words(start: dict[str, Any]) -> bool:
    """Does a block that may say nothing until its first delta say something by starting?"""
    if start["type"] == "text":
        text = start.get("text")
        if isinstance(text, str) and text and not text.isspace():
            return True
        citations = start.get("citations")
        cited = isinstance(citations, list) and any(isinstance(one, dict) for one in citations)
        return cited or bool(text and str(text).strip())
    return bool(start.get("thinking") or start.get("signature"))
