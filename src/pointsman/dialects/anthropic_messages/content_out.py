"""Neutral parts as Messages content blocks (docs/protocols/messages.md#content-parts). Not here: in
which turn they stand (turns.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ...conversation import parts as neutral
from ...wire.surrogates import decode
from .cache_marks import put
from .content_in import OWN

Block = dict[str, Any]


def block_of(part: neutral.Part) -> Block | None:
    """One part as a block, None where it says nothing here."""
    if type(part) is neutral.Text:  # by far the commonest
        return put(_text(part), part.cache) if part.text and not part.text.isspace() else None
    match part:
        case neutral.ToolCall():
            return put(tool_use(part), part.cache)
        case neutral.ToolResult():
            return _result(part)
        case neutral.Thinking():
            return part.opaque.data if part.opaque is not None else None
        case neutral.Refusal():
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case neutral.Image():
            return put({"type": "image", "source": _image_source(part)}, part.cache)
        case neutral.Document():
            return _document(part)
        case neutral.Foreign():
            return dict(part.value)
    return None


def _blocks(parts: Iterable[neutral.Part]) -> list[Block]:
    """Those inside another: the mark stands on the whole."""
    found = [block for part in parts if (block := block_of(part)) is not None]
    for block in found:
        block.pop("cache_control", None)
    return found


def _result(part: neutral.ToolResult) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": part.call_id}
    content = _blocks(part.parts)
    if content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return put(block, part.cache)


def _image_source(part: neutral.Image) -> Block:
    if part.data is not None:
        return {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "file", "file_id": part.file_id}


def _document(part: neutral.Document) -> Block | None:
    source = _document_source(part)
    if source is None:
        return None
    block: Block = {"type": "document", "source": source}
    if part.title:
        block["title"] = part.title
    if part.context:
        block["context"] = part.context
    if part.citations:
        block["citations"] = {"enabled": True}
    return put(block, part.cache)


def _document_source(part: neutral.Document) -> Block | None:
    if part.text is not None:
        text = {"type": "text", "media_type": "text/plain", "data": part.text}
        return text if part.text.strip() else None
    if part.parts is not None:
        content = _blocks(part.parts)
        return {"type": "content", "content": content} if content else None
    if part.data is not None:
        return {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "file", "file_id": part.file_id}


def citation(found: neutral.Citation, synthetic: bool) -> Block | None:
    """A citation in the vendor's form. synthetic: one of a foreign web page is made up as well, for a client to show; it
    has no index, so it never goes to Anthropic (docs/protocols/messages.md#citations)."""
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


FREE_TEXT = ('{"input":"', '"}')
"""What stands around a call's free text in a stream (docs/protocols/tools.md#free-form-tools)."""


def tool_use(part: neutral.ToolCall) -> Block:
    """A call; its arguments as the object that the vendor requires."""
    free = part.kind is neutral.ToolKind.CUSTOM
    given = {"input": part.arguments} if free else as_object(part.arguments)
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": given}


def as_object(arguments: str) -> dict[str, Any]:
    """Arguments as an object. What is none is told under the name that the vendor suggests for it
    (docs/protocols/messages.md#arguments-that-are-no-object)."""
    if not arguments.strip():
        return {}
    try:
        value = decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"INVALID_JSON": arguments}
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}


def _text(part: neutral.Text) -> Block:
    block: Block = {"type": "text", "text": part.text}
    if part.citations:
        found = [one for one in (citation(c, synthetic=False) for c in part.citations) if one is not None]
        if found:
            block["citations"] = found
    return block
