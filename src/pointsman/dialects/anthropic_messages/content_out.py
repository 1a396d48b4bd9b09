"""Neutral parts as Messages content blocks (PROTOCOLS.md 4.2, 4.5, 5.3, 5.4). Not here: in which turn they stand
(turns.py)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from ...conversation.notes import Notes
from ...conversation.parts import (
    Audio,
    Citation,
    Document,
    Foreign,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ...conversation.profile import Profile
from .cache_marks import put
from .content_in import OWN

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_MAGIC = (("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
"""How each kind of image begins in base64, for data that came without its type."""
_TEXTUAL = ("application/json", "application/xml", "application/x-yaml", "application/javascript")

Block = dict[str, Any]


class Blocks:
    """Renders the parts of one request."""

    __slots__ = ("_notes", "_profile")

    def __init__(self, profile: Profile, notes: Notes) -> None:
        self._profile = profile
        self._notes = notes

    def of(self, part: Part) -> list[Block]:
        """The blocks of one part, often one, none where it says nothing here."""
        if isinstance(part, Audio):
            self._notes.refuse(part.path, "this backend takes no sound; send its text instead.")
        match part:
            case Text():
                return [put(_text(part), part.cache)] if part.text.strip() else []
            case ToolCall():
                return [put(tool_use(part), part.cache)]
            case ToolResult():
                return [self._result(part)]
            case Thinking():
                return self._thinking(part)
            case Refusal():
                return [{"type": "text", "text": part.text}] if part.text.strip() else []
            case Image():
                return [self._image(part)]
            case Document():
                return self._document(part)
            case Foreign():
                return self._foreign(part)

    def _thinking(self, part: Thinking) -> list[Block]:
        """Only what this very backend made can go back, and only as it was; its text elsewhere is of no use to it
        (PROTOCOLS.md 7.5)."""
        opaque = part.opaque
        if opaque is None or not replayable(opaque, self._profile):
            return []
        return list(opaque.data) if isinstance(opaque.data, list) else [opaque.data]

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": part.call_id}
        content: list[Block] = []
        cache = part.cache
        for inner in part.parts:
            content.extend(self.of(inner))
            cache = cache or inner.cache
        for one in content:
            one.pop("cache_control", None)  # the mark stands on the whole result
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return put(block, cache)

    def _image(self, part: Image) -> Block:
        if not self._profile.images:
            self._notes.refuse(
                part.path, "this model takes no images; leave it out or use a model that does."
            )
        if part.detail not in (None, "auto"):
            self._notes.drop(self._notes.inside(part, "detail"))
        return put({"type": "image", "source": self._image_source(part)}, part.cache)

    def _image_source(self, part: Image) -> Block:
        if part.data is not None:
            kind = _image_type(part)
            if kind not in _IMAGE_TYPES:
                self._notes.refuse(
                    part.path,
                    f"images of type {kind or 'unknown'} are not taken; send jpeg, png, gif or webp.",
                )
            return {"type": "base64", "media_type": kind, "data": part.data}
        if part.url is not None:
            if not self._profile.image_urls:
                self._notes.refuse(
                    part.path, "this backend fetches no images; send the image itself in base64."
                )
            return {"type": "url", "url": part.url}
        return self._file(part)

    def _file(self, part: Image | Document) -> Block:
        if part.file_of != OWN or part.file_id is None:
            self._notes.refuse(part.path, "a file id is known to its own vendor only; send the file itself.")
        return {"type": "file", "file_id": part.file_id}

    def _document(self, part: Document) -> list[Block]:
        source = self._document_source(part)
        if source is None:
            return []
        block: Block = {"type": "document", "source": source}
        if part.title:
            block["title"] = part.title
        if part.context:
            block["context"] = part.context
        if part.citations:
            block["citations"] = {"enabled": True}
        return [put(block, part.cache)]

    def _document_source(self, part: Document) -> Block | None:
        if part.text is not None:
            return _plain(part.text) if part.text.strip() else None
        if part.parts is not None:
            content = [block for inner in part.parts for block in self.of(inner)]
            return {"type": "content", "content": content} if content else None
        if not self._profile.documents:
            self._notes.refuse(
                part.path, "this model takes no files; send their text instead, or use a model that does."
            )
        if part.url is not None:
            return {"type": "url", "url": part.url}
        if part.data is None:
            return self._file(part)
        kind = (part.media_type or "application/pdf").partition(";")[0].strip().lower()
        if kind == "application/pdf":
            return {"type": "base64", "media_type": kind, "data": part.data}
        text = _decoded(part.data) if kind.startswith("text/") or kind in _TEXTUAL else None
        if text is None:
            self._notes.refuse(part.path, f"files of type {kind} are not taken; send a PDF or plain text.")
        return _plain(text) if text.strip() else None

    def _foreign(self, part: Foreign) -> list[Block]:
        if part.protocol == OWN:
            return [dict(part.value)]
        if part.text.strip():
            return [{"type": "text", "text": part.text}]
        self._notes.drop(part.path, f"what '{part.type}' says cannot be told to another vendor's model")
        return []


def replayable(opaque: Opaque, profile: Profile) -> bool:
    """May this go back to this target as it is?"""
    return opaque.protocol == OWN and opaque.backend in ("", profile.backend)


def citation(found: Citation, synthetic: bool) -> Block | None:
    """A citation in the vendor's form. synthetic: one of a foreign web page is made up as well, for a client to show; it
    has no index, so it never goes to Anthropic (PROTOCOLS.md 4.6)."""
    if found.protocol == OWN and isinstance(found.raw, dict):
        return found.raw
    if not synthetic or found.url is None:
        return None
    return {
        "type": "web_search_result_location",
        "cited_text": found.cited_text or "",
        "url": found.url,
        "title": found.title,
        "encrypted_index": "",
    }


def tool_use(part: ToolCall) -> Block:
    """A call; its arguments as the object that the vendor requires."""
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": as_object(part.arguments)}


def as_object(arguments: str) -> dict[str, Any]:
    """Arguments as an object. What is none is told under the name that the vendor suggests for it (PROTOCOLS.md 4.2)."""
    if not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"INVALID_JSON": arguments}
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}


def _text(part: Text) -> Block:
    block: Block = {"type": "text", "text": part.text}
    found = [one for one in (citation(c, synthetic=False) for c in part.citations) if one is not None]
    if found:
        block["citations"] = found
    return block


def _plain(text: str) -> Block:
    return {"type": "text", "media_type": "text/plain", "data": text}


def _image_type(part: Image) -> str:
    kind = (part.media_type or "").partition(";")[0].strip().lower()
    if kind in ("", "image/*", "application/octet-stream"):
        data = part.data or ""
        return next((found for start, found in _MAGIC if data.startswith(start)), "")
    return "image/jpeg" if kind == "image/jpg" else kind


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=False).decode("utf-8-sig")
    except (binascii.Error, ValueError):
        return None
