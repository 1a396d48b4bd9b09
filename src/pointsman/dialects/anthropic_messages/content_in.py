"""Content blocks of a client's messages into neutral parts
(docs/protocols/messages.md#content-parts). Not here: the fields around them (request_in.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...conversation import parts as neutral
from ...kinds import Protocol
from ..base import Reading
from ..fields import Fields, bad
from ..replayed import replayed
from .made_up import is_made_up, is_result_of, restored, with_results
from .plain_words import compact, said, search_result, shown, words

OWN = Protocol.ANTHROPIC_MESSAGES.value
_DEAR = "only the vendor's own models can use it"
NO_CHANGES = "tools cannot change within a conversation here; declare them in 'tools' from the start."


def mark(fields: Fields, reading: Reading, key: str = "cache_control") -> neutral.CacheMark | None:
    """The cache mark on a block, a tool or the body."""
    control = fields.object(key)
    if control is None:
        return None
    control.choice("type", ("ephemeral",))
    ttl = control.choice("ttl", ("5m", "1h"))
    control.ignore("scope")
    control.close(reading.notes)
    return neutral.CacheMark(ttl, path=control.path)


def blocks(holder: Fields, key: str, reading: Reading) -> list[neutral.Part]:
    """A message's `content`: a string, or a list of blocks."""
    content = holder.value.get(key)
    if isinstance(content, str):
        holder.ignore(key)
        return [neutral.Text(content, path=holder.at(key))] if content else []
    if content is None:
        bad(holder.at(key), "must be a string or a list of content blocks.")
    parts: list[neutral.Part] = []
    for block in holder.objects(key):
        last = parts[-1] if parts else None
        if isinstance(last, neutral.Foreign) and is_result_of(last, block.value):
            parts[-1] = with_results(last, block.value, words(block.value))
            continue
        part = _block(block, reading)
        if part is not None:
            part.path = block.path
            parts.append(part)
    return parts


def _block(block: Fields, reading: Reading) -> neutral.Part | None:
    kind = block.need_text("type")
    read = _READERS.get(kind)
    if read is None:
        return _foreign(block, kind, reading)
    part = read(block, reading)
    block.close(reading.notes)
    return part


_UNREADABLE = {
    "container_upload": "a file id is known to its own vendor only; send the file itself.",
    "tool_addition": NO_CHANGES,
    "tool_removal": NO_CHANGES,
}
"""Blocks that mean nothing without their vendor, and cannot be left out."""


def _foreign(block: Fields, kind: str, reading: Reading) -> neutral.Foreign | None:
    """A kind that only its vendor knows; what it says is told to others."""
    value = block.value
    if kind in _UNREADABLE:
        reading.notes.refuse(block.path, _UNREADABLE[kind])
    if kind == "fallback" or (
        kind == "compaction" and not (value.get("content") or value.get("encrypted_content"))
    ):
        reading.notes.drop(block.path, "it says nothing to a model")
        return None
    if is_made_up(value):
        return restored(value, said(value))
    files = []
    for path, inner in shown(value):
        fields = Fields(inner, path, block)
        fields.ignore("type")
        read = _image if inner["type"] == "image" else _document
        part = read(fields, reading)
        part.path = fields.path
        files.append(part)
    return neutral.Foreign(OWN, kind, value, said(value), tuple(files))


def text(block: Fields, reading: Reading) -> neutral.Text:
    """A text block, with its citations."""
    value = block.text("text")
    cache = mark(block, reading)
    found = tuple(citation(one.value) for one in block.objects("citations"))
    return neutral.Text(value, cache, found)


def citation(value: dict[str, Any]) -> neutral.Citation:
    """One citation. Where it has an index only its vendor can read, the vendor's own object is kept; one that we made
    up for another vendor's model has none, and never goes to Anthropic
    (docs/protocols/messages.md#citations)."""
    url, title, cited = (_str(value.get(key)) for key in ("url", "title", "cited_text"))
    if value.get("type") == "web_search_result_location" and not value.get("encrypted_index"):
        return neutral.Citation(url, title, cited)
    source = _str(value.get("source"))  # of a search result that the client itself gave
    if url is None and source is not None and source.startswith(("https://", "http://")):
        url = source
    return neutral.Citation(url, title or _str(value.get("document_title")), cited, raw=value, protocol=OWN)


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _image(block: Fields, reading: Reading) -> neutral.Image:
    source = block.need_object("source")
    cache = mark(block, reading)
    match source.need_choice("type", ("base64", "url", "file")):
        case "base64":
            image = neutral.Image(source.need_text("media_type"), source.need_text("data"))
        case "url":
            image = neutral.Image(url=source.need_text("url"))
        case _:
            image = neutral.Image(file_id=source.need_text("file_id"), file_of=OWN)
    source.close(reading.notes)
    image.cache = cache
    return image


def _document(block: Fields, reading: Reading) -> neutral.Document:
    source = block.need_object("source")
    document = neutral.Document(
        title=block.maybe_text("title") or None,
        context=block.maybe_text("context") or None,
        citations=_enabled(block, reading),
        cache=mark(block, reading),
    )
    match source.need_choice("type", ("base64", "text", "content", "url", "file")):
        case "base64":
            document.media_type, document.data = source.need_text("media_type"), source.need_text("data")
        case "text":
            source.ignore("media_type")
            document.text = source.text("data")
        case "content":
            document.parts = _source_parts(source, reading)
        case "url":
            document.url = source.need_text("url")
        case _:
            document.file_id, document.file_of = source.need_text("file_id"), OWN
    source.close(reading.notes)
    return document


def _source_parts(source: Fields, reading: Reading) -> tuple[neutral.Text | neutral.Image, ...]:
    parts: list[neutral.Text | neutral.Image] = []
    for part in blocks(source, "content", reading):
        if not isinstance(part, neutral.Text | neutral.Image):
            bad(source.at("content"), "may hold only text and image blocks.")
        parts.append(part)
    return tuple(parts)


def _enabled(block: Fields, reading: Reading) -> bool:
    config = block.object("citations")
    if config is None:
        return False
    enabled = config.flag("enabled") or False
    config.close(reading.notes)
    return enabled


def _search_result(block: Fields, reading: Reading) -> neutral.Text:
    texts = []
    for inner in block.objects("content"):
        inner.choice("type", ("text",))
        said = text(inner, reading)
        if said.citations:
            reading.notes.drop(inner.at("citations"), "a result's text goes without what it cites")
        texts.append(said.text)
        inner.close(reading.notes)
    if _enabled(block, reading):
        reading.notes.drop(block.at("citations"), _DEAR)
    cache = mark(block, reading)
    return neutral.Text(search_result(block.text("title"), block.text("source"), texts), cache)


def _thinking(block: Fields, reading: Reading) -> neutral.Thinking | None:
    """A signature of ours is opened; one of the vendor's own is kept as it is
    (docs/protocols/reasoning.md#capsules)."""
    shown, signature = block.text("thinking"), block.text("signature")
    block.rest()  # whatever else stands on it belongs to the exact block
    if not signature:
        return neutral.Thinking(shown)
    return replayed(shown, signature, neutral.Opaque(OWN, block.value), block.at("signature"), reading)


def _redacted(block: Fields, reading: Reading) -> neutral.Thinking | None:
    data = block.text("data")
    block.rest()
    return replayed("", data, neutral.Opaque(OWN, block.value), block.at("data"), reading)


def _tool_use(block: Fields, reading: Reading) -> neutral.ToolCall:
    call = neutral.ToolCall(block.need_text("id"), block.need_text("name"))
    given = block.mapping("input")
    call.arguments = msgspec.json.encode(given).decode() if given is not None else ""
    call.cache = mark(block, reading)
    caller = block.object("caller")
    if caller is not None and caller.value.get("type") != "direct":
        reading.notes.drop(block.at("caller"), _DEAR)
    block.ignore("caller")
    return call


def _tool_result(block: Fields, reading: Reading) -> neutral.ToolResult:
    result = neutral.ToolResult(block.need_text("tool_use_id"))
    content = block.value.get("content")
    if isinstance(content, str):
        block.ignore("content")
        result.parts = (neutral.Text(content, path=block.at("content")),) if content else ()
    else:
        result.parts = tuple(_result_part(inner, reading) for inner in block.objects("content"))
    result.is_error = block.flag("is_error") or False
    result.cache = mark(block, reading)
    return result


def _result_part(block: Fields, reading: Reading) -> neutral.ResultPart:
    kind = block.need_text("type")
    read = _RESULT_READERS.get(kind)
    # tool_reference, browser_state: said in words (docs/protocols/tools.md#results)
    if read is None:
        return neutral.Text(words(block.value) or compact(block.value), path=block.path)
    part = read(block, reading)
    block.close(reading.notes)
    assert isinstance(part, neutral.ResultPart)
    part.path = block.path
    return part


_RESULT_READERS: dict[str, Callable[[Fields, Reading], neutral.Part | None]] = {
    "text": text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
_READERS: dict[str, Callable[[Fields, Reading], neutral.Part | None]] = {
    **_RESULT_READERS,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
