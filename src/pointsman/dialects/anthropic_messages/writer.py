"""Writes a Messages stream (grammar: docs/protocols/streams.md#messages-streams): a state machine
in which no block can hold another kind's deltas.

A block is opened when it has something to say, so that no empty one reaches a client, which would send it back and be
refused. Not here: what a block holds (answering.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.events import Cited, PartEnd, PartKind, PartStart, Started
from ...conversation.parts import Opaque, ToolKind
from ...errors import PointsmanError
from ..base import Answering
from ..ids import own_id
from ..part_writer import PartWriter
from .answering import HIDE, SHOW, display, ending, foreign_blocks, redacted_block, signature
from .cited import CITED, CUT, CitedText, Step
from .content_out import FREE_TEXT
from .errors import stream_error
from .usage import rendered

_encode = msgspec.json.encode
_AFTER_BLOCK = frozenset(
    {"start text", "start thinking", "start tool_use", "start whole", "message_delta", "error"}
)
MOVES = {
    "": frozenset({"message_start", "error"}),
    "message_start": frozenset({"ping"}),
    "ping": _AFTER_BLOCK,
    "start text": frozenset({"text_delta", "citations_delta", "error"}),
    "text_delta": frozenset({"text_delta", "citations_delta", "content_block_stop", "error"}),
    "citations_delta": frozenset({"text_delta", "citations_delta", "content_block_stop", "error"}),
    "start thinking": frozenset({"thinking_delta", "error"}),
    "thinking_delta": frozenset({"thinking_delta", "signature_delta", "error"}),
    "signature_delta": frozenset({"content_block_stop"}),
    "start tool_use": frozenset({"input_json_delta", "error"}),
    "input_json_delta": frozenset({"input_json_delta", "content_block_stop", "error"}),
    "start whole": frozenset({"content_block_stop"}),
    "content_block_stop": _AFTER_BLOCK,
    "message_delta": frozenset({"message_stop"}),
    "message_stop": frozenset[str](),
    "error": frozenset[str](),
}
"""What may follow what. `start X` is content_block_start of a block of that kind (whole: complete in its start). Pings
may stand anywhere; only the first has a fixed place."""

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_DELTAS = {
    PartKind.TEXT: ("text_delta", "text"),
    PartKind.REFUSAL: ("text_delta", "text"),
    PartKind.THINKING: ("thinking_delta", "thinking"),
    PartKind.TOOL: ("input_json_delta", "partial_json"),
}


class MessagesWriter(PartWriter):
    """See dialects.base.Writer."""

    __slots__ = (
        "_begun", "_called", "_cites", "_frame", "_free", "_held", "_index", "_kind", "_prefix", "_refused", "_shown",
        "_text",
    )  # fmt: skip

    def __init__(self, answering: Answering) -> None:
        super().__init__(answering, MOVES)
        self._shown = display(answering.request)
        self._index = 0  # of the block that is open, or comes next
        self._kind: PartKind | None = None  # of the open part
        self._begun = False  # its block is open
        self._held = ""  # what was not written (yet): white space is no text unless more follows
        self._text: CitedText | None = None  # of an open text part
        # Of a text that may be cited the last piece is held back: its citation comes right behind it.
        self._cites = bool(answering.request.hosted)
        self._frame = ""
        self._prefix = b""
        self._called = False
        self._free = False  # the open call is free text, which goes into an object here
        self._refused = ""

    def ping(self) -> bytes:
        """See Writer. Before the message begins only a comment is legal."""
        if self._moves.at in ("message_stop", "error"):
            return b""
        return PING if self._moves.at else b": waiting\n\n"

    def fail(self, error: PointsmanError) -> bytes:
        """See Writer. A stream that is over stays as it is."""
        if self._moves.at in ("message_stop", "error"):
            return b""
        said = self._release()
        self._moves.to("error")
        return said + stream_error(error, self._answering.request_id)

    # -- the message

    def _begin(self, event: Started) -> bytes:
        self._usage = event.usage
        message: dict[str, Any] = {
            "id": own_id("msg_", self._answering.request_id),
            "type": "message",
            "role": "assistant",
            "model": self._answering.request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**rendered(event.usage), "output_tokens": 1},  # as Anthropic usually sends
        }
        self._moves.to("message_start")
        self._moves.to("ping")
        return _event("message_start", {"message": message}) + PING

    def _close(self) -> bytes:
        told = self._finish
        delta = ending(told.stop, told.sequence, told.explanation, called=self._called, refused=self._refused)
        self._moves.to("message_delta")
        self._moves.to("message_stop")
        return _event("message_delta", {"delta": delta, "usage": rendered(self._usage)}) + _event(
            "message_stop", {}
        )

    # -- its blocks

    def _start(self, event: PartStart) -> bytes:
        self._kind = event.kind
        self._begun = False
        self._held = ""
        self._text = CitedText() if event.kind is PartKind.TEXT else None
        if event.kind is PartKind.FOREIGN:
            assert event.foreign is not None
            self._cites = True  # a search's, perhaps
            blocks = foreign_blocks(event.foreign, self._answering)
            return b"".join([self._whole(block) for block in blocks])
        if event.kind is PartKind.TOOL:
            self._called = True
            self._free = event.tool_kind is ToolKind.CUSTOM
            opened = self._open({"type": "tool_use", "id": event.call_id, "name": event.name, "input": {}})
            return opened + self._piece(FREE_TEXT[0]) if self._free else opened
        return b""

    def _open(self, block: dict[str, Any]) -> bytes:
        assert self._kind is not None
        self._begun = True
        self._moves.to(f"start {block['type']}")
        self._frame, key = _DELTAS[self._kind]
        self._prefix = (
            f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{self._index},'
            f'"delta":{{"type":"{self._frame}","{key}":'
        ).encode()
        return _event("content_block_start", {"index": self._index, "content_block": block})

    def _open_text(self) -> bytes:
        return self._open({"type": "text", "text": ""})

    def _open_thinking(self) -> bytes:
        return self._open({"type": "thinking", "thinking": "", "signature": ""})

    def _piece(self, text: str) -> bytes:
        self._moves.again(self._frame)
        return self._prefix + _encode(text) + b"}}\n\n"

    def more(self, text: str) -> bytes:
        """See PartWriter."""
        if self._text is not None:
            return self._words(self._text, text)
        if self._begun:
            if self._free:  # the text of a JSON string
                text = _encode(text).decode()[1:-1]
            if self._kind is PartKind.REFUSAL:
                self._refused += text
            return self._piece(text)
        if self._kind is PartKind.THINKING:
            if self._shown == SHOW:
                return self._open_thinking() + self._piece(text)
            self._held = text  # never shown; that there was some is told by an empty block
            return b""
        self._held += text
        if not self._held.strip():
            return b""
        self._refused += self._held
        return self._open_text() + self._piece(self._held)

    def _words(self, cited: CitedText, text: str) -> bytes:
        if self._cites:
            text, self._held = self._held, text
        elif cited.plain:
            cited.told(len(text))
            return self._piece(text)
        return self._steps(cited.text(text))

    def _cite(self, event: Cited) -> bytes:
        self._cites = True  # where one is, more may follow
        return self._steps(self._text.cite(event.citation)) if self._text is not None else b""

    def _release(self) -> bytes:
        """What was held back of a text that may be cited."""
        held = self._held if self._text is not None else ""
        if not held or self._text is None:
            return b""
        self._held = ""
        return self._steps(self._text.text(held))

    def _steps(self, steps: list[Step]) -> bytes:
        out: list[bytes] = []
        for kind, value in steps:
            if kind == CUT:
                out.append(self._stop_block())
                continue
            if not self._begun:
                out.append(self._open_text())
            if kind == CITED:
                self._moves.to("citations_delta")
                out.append(self._own_delta({"type": "citations_delta", "citation": value}))
            elif value:
                out.append(self._piece(value))
        return b"".join(out)

    def _own_delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})

    def _end(self, event: PartEnd) -> bytes:
        if self._kind is PartKind.THINKING:
            return self._thinking_end(event.opaque)
        if self._text is not None:
            return self._text_end(self._text)
        if not self._begun:
            return b""
        if self._free:
            self._free = False
            return self._piece(FREE_TEXT[1]) + self._stop_block()
        if self._kind is PartKind.TOOL and self._moves.at == "start tool_use":
            return (
                self._piece("") + self._stop_block()
            )  # "a tool without arguments sends only an empty string"
        return self._stop_block()

    def _text_end(self, cited: CitedText) -> bytes:
        said = self._release() + self._steps(cited.end())
        self._text = None
        return said + self._stop_block() if self._begun else said

    def _thinking_end(self, opaque: Opaque | None) -> bytes:
        """The signature comes "once, right before the stop"."""
        if self._shown == HIDE:
            return b""
        out = b""
        if not self._begun:
            redacted = redacted_block(opaque)
            if redacted is not None:
                return self._whole(redacted)
            if opaque is None and not self._held:
                return b""
            out = self._open_thinking() + self._piece("")
        self._moves.to("signature_delta")
        sign = signature(opaque, self._answering.capsules)
        return out + self._own_delta({"type": "signature_delta", "signature": sign}) + self._stop_block()

    def _stop_block(self) -> bytes:
        self._moves.to("content_block_stop")
        index, self._index = self._index, self._index + 1
        self._begun = False
        return _event("content_block_stop", {"index": index})

    def _whole(self, block: dict[str, Any]) -> bytes:
        """A block without deltas; of a call, the input comes in one."""
        if str(block.get("type")).endswith("tool_use"):
            self._kind = PartKind.TOOL
            self._moves.to("start tool_use")
            given = _encode(block.get("input") or {}).decode()
            self._moves.to("input_json_delta")
            start = _event(
                "content_block_start", {"index": self._index, "content_block": {**block, "input": {}}}
            )
            return (
                start
                + self._own_delta({"type": "input_json_delta", "partial_json": given})
                + self._stop_block()
            )
        if block.get("type") == "text":
            self._kind = PartKind.TEXT
            text, block = str(block["text"]), {"type": "text", "text": ""}
            return self._open(block) + self._piece(text) + self._stop_block()
        self._moves.to("start whole")
        start = _event("content_block_start", {"index": self._index, "content_block": block})
        return start + self._stop_block()


def _event(name: str, data: dict[str, Any]) -> bytes:
    """Both lines: the SDKs ignore an event without its name."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **data}))
