"""The pieces that messages and replies are made of. Plain values; a dialect gives them their
shape on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from ..kinds import at_hand


class Placed(msgspec.Struct, kw_only=True, eq=False):
    """What can be told of to the client. path: where it stood in the client's body
    (`messages[1].content[0]`), "" for what the gateway made. Not compared: what says the same is
    equal wherever it stood."""

    path: str = ""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        names = self.__struct_fields__
        return all(getattr(self, name) == getattr(other, name) for name in names if name != "path")


class Opaque(msgspec.Struct, frozen=True):
    """What its producer wants back unread and unchanged: a signature, encrypted reasoning.

    protocol: the Protocol value of the dialect that can read it. backend: key of the backend that
    made it, "" when the client brought it in its own vendor's form (who made it is not known).
    data: a JSON value; for `anthropic_messages` the exact block ({"type": "thinking", ...} or
    {"type": "redacted_thinking", ...}), for `openai_responses` the exact reasoning item's {"id":
    ..., "encrypted_content": ...}. before: the id of the server tool's call that it led to, "" when
    to none; without that it must not come back (docs/protocols/reasoning.md#with-a-servers-tool).
    """

    protocol: str
    data: Any
    backend: str = ""
    before: str = ""


class CacheMark(Placed):
    """The prompt up to here may be cached. ttl: as the client wrote it (`5m`, `1h`, `30m`,
    `12h`), None = default."""

    ttl: str | None = None


class Citation(msgspec.Struct, frozen=True):
    """A source of a text. url, title, cited_text: of a web page. start, end: characters of the
    part's text that it stands for (None = all of it). raw: the vendor's own object where it is
    not a web citation, with `protocol` naming whose."""

    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None
    raw: Any = None
    protocol: str = ""

    def moved(self, by: int) -> Citation:
        """The same in a text that begins elsewhere: without a place where that is before it."""
        if self.start is None or self.end is None:
            return self
        end = self.end + by
        start = max(self.start + by, 0) if end > 0 else None
        return msgspec.structs.replace(self, start=start, end=end if end > 0 else None)


class Text(Placed):
    """Text. cache: a cache mark stands on it."""

    text: str
    cache: CacheMark | None = None
    citations: tuple[Citation, ...] = ()


class Refusal(Placed):
    """The model's refusal, in words."""

    text: str


class Thinking(Placed):
    """Reasoning. text: what may be shown, "" when omitted. redacted: only the opaque form
    exists. opaque: what its producer needs back to recognise it."""

    text: str = ""
    opaque: Opaque | None = None
    redacted: bool = False


class Image(Placed):
    """Exactly one of data (base64 text, with media_type), url, file_id (of the vendor named by
    file_of, a Protocol value). detail: OpenAI's resolution hint."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    file_of: str = ""
    detail: str | None = None
    cache: CacheMark | None = None


class Document(Placed):
    """A file to read. Exactly one of data (base64 text, with media_type), url, text (plain
    text), parts (Text and Image) or file_id. title: its file name or title. context: words about
    it."""

    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    text: str | None = None
    parts: tuple[Text | Image, ...] | None = None
    file_id: str | None = None
    file_of: str = ""
    title: str | None = None
    context: str | None = None
    citations: bool = False
    cache: CacheMark | None = None


class Audio(Placed):
    """Sound as base64 text. format: `wav`, `mp3`."""

    data: str
    format: str


@at_hand
class ToolKind(StrEnum):
    """How a client's tool is called: with a JSON object, or with free text."""

    FUNCTION = "function"
    CUSTOM = "custom"


class ToolCall(Placed):
    """The model calls a tool. arguments: the JSON text exactly as it was written ("" = none), or
    the free text of a custom tool. namespace: the group that the tool was declared in, where the
    protocol has groups."""

    id: str
    name: str
    arguments: str = ""
    kind: ToolKind = ToolKind.FUNCTION
    namespace: str | None = None
    cache: CacheMark | None = None


ResultPart = Text | Image | Document
"""What a tool's output can hold."""


class ToolResult(Placed):
    """What a tool gave back. parts: in order; empty = nothing. kind: of the call."""

    call_id: str
    parts: tuple[ResultPart, ...] = ()
    is_error: bool = False
    kind: ToolKind = ToolKind.FUNCTION
    cache: CacheMark | None = None


class Foreign(Placed):
    """A block of one vendor that has no neutral form (a server tool's call or result, a
    compaction). protocol: whose. value: the exact JSON. text, shown: what it says to models of
    other vendors, in words ("" = nothing), in pictures and files."""

    protocol: str
    type: str
    value: Any
    text: str = ""
    shown: tuple[Image | Document, ...] = ()

    @property
    def id(self) -> str:
        """Its vendor's id of it, "" when it has none."""
        found = self.value.get("id") if isinstance(self.value, dict) else None
        return found if isinstance(found, str) else ""


AssistantPart = Text | Refusal | Thinking | ToolCall | Foreign
Part = Text | Refusal | Thinking | Image | Document | Audio | ToolCall | ToolResult | Foreign
