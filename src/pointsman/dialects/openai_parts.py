"""The parts of messages in both of OpenAI's chat protocols, read and written.

Clients mix the two (docs/protocols/clients.md#cursor): either's parts are read in either's messages.
Not here: messages and items themselves; the rest of a request (openai_request.py).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..conversation import parts as neutral
from ..conversation.notes import Notes
from ..errors import PointsmanError
from .base import Reading
from .fields import Fields, bad, maybe

FILES = "openai"
"""Whose file ids these protocols carry (Image.file_of, Profile.files)."""


# -- read


def read_parts(holder: Fields, key: str, reading: Reading) -> list[neutral.Part]:
    """A string, which a mark beside it is for, or a list of parts; empty texts say nothing and are
    left out."""
    content = holder.any(key)
    if content is None:
        return []
    mark = cache_mark(holder, reading) if "cache_control" in holder.value else None
    if isinstance(content, str):
        return [neutral.Text(content, mark, path=holder.at(key))] if content else []
    if not isinstance(content, list):
        bad(holder.at(key), "must be a string or a list of parts.")
    parts: list[neutral.Part] = []
    for index, one in enumerate(content):
        value = {"type": "text", "text": one} if isinstance(one, str) else one
        part = Fields(value, f"{key}[{index}]", holder)
        found = _part(part, reading)
        found.path = part.path
        part.close(reading.notes)
        if not (isinstance(found, neutral.Text) and not found.text):
            parts.append(found)
    if mark is not None:
        _mark_last(parts, mark, reading)
    return parts


def _mark_last(parts: list[neutral.Part], mark: neutral.CacheMark, reading: Reading) -> None:
    """A mark beside a list of parts holds for all of them."""
    last = parts[-1] if parts else None
    if not isinstance(last, neutral.Text | neutral.Image | neutral.Document):
        reading.notes.drop(mark.path, "nothing stands there that a mark could be on")
    elif last.cache is None:
        last.cache = mark


def read_results(holder: Fields, key: str, reading: Reading) -> tuple[neutral.ResultPart, ...]:
    """What a tool gave back: no other kinds of parts can stand there."""
    results: list[neutral.ResultPart] = []
    for part in read_parts(holder, key, reading):
        if not isinstance(part, neutral.ResultPart):
            bad(f"{part.path}.type", "cannot stand in a tool's output.")
        results.append(part)
    return tuple(results)


def read_texts(holder: Fields, key: str, reading: Reading) -> list[neutral.Text]:
    """A system or developer message: what else stood there would be lost without a word."""
    texts: list[neutral.Text] = []
    for part in read_parts(holder, key, reading):
        if not isinstance(part, neutral.Text):
            bad(f"{part.path}.type", "must be text in a system message.")
        texts.append(part)
    return texts


def _part(part: Fields, reading: Reading) -> neutral.Part:
    kind = part.need_text("type")
    mark = cache_mark(part, reading)
    match kind:
        case "text" | "input_text" | "output_text" | "summary_text":
            part.ignore("logprobs")
            return neutral.Text(part.text("text"), mark, _citations(part, reading))
        case "refusal":
            return neutral.Refusal(part.text("refusal"))
        case "image_url" | "input_image":
            return image_of(part, mark, reading.notes)
        case "file" | "input_file":
            inner = part.object("file") or part
            document = _document(inner, mark)
            inner.close(reading.notes)
            return document
        case "input_audio":
            inner = part.object("input_audio") or part
            sound = neutral.Audio(inner.need_text("data"), inner.text("format", "wav"))
            inner.close(reading.notes)
            return sound
        case "thinking":  # Mistral's form of reasoning in a history
            part.ignore("closed")
            return neutral.Thinking("".join(piece.text("text") for piece in part.objects("thinking")))
    raise bad(part.at("type"), f"is a kind of part that is not known: {kind[:60]!r}.")


def cache_mark(holder: Fields, reading: Reading) -> neutral.CacheMark | None:
    """OpenAI's mark, or Anthropic's, which clients send to everybody."""
    found = holder.object("prompt_cache_breakpoint") or holder.object("cache_control")
    if found is None:
        return None
    found.ignore("type", "mode")
    mark = neutral.CacheMark(found.maybe_text("ttl"), path=found.path)
    found.close(reading.notes)
    return mark


def image_of(
    part: Fields, mark: neutral.CacheMark | None = None, notes: Notes | None = None
) -> neutral.Image:
    """By its URL, which may hold the data itself, or by its id. Raises PointsmanError 400."""
    url, file_id, detail = part.any("image_url"), part.maybe_text("file_id"), part.maybe_text("detail")
    path = part.at("image_url")
    if isinstance(url, dict):
        inner = Fields(url, "image_url", part)
        url, detail = inner.need_text("url"), inner.maybe_text("detail") or detail
        if notes is not None:
            inner.close(notes)
    if url is None and file_id is not None:
        return neutral.Image(file_id=file_id, file_of=FILES, detail=detail, cache=mark)
    if not isinstance(url, str) or not url:
        bad(path, "must be a URL or an object with a url, or file_id must be there.")
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")):
            bad(path, "must be an http(s) or a data: URL.")
        return neutral.Image(url=url, detail=detail, cache=mark)
    media_type, data = _data_url(url, path)
    return neutral.Image(media_type, data, detail=detail, cache=mark)


def picture_of(part: Fields) -> neutral.Image | None:
    """The same of an answer; None where it is none that can be read."""
    with suppress(PointsmanError):
        return image_of(part)
    return None


def _document(inner: Fields, mark: neutral.CacheMark | None) -> neutral.Document:
    """A file. Text files become text: every protocol can carry that."""
    data, title = inner.maybe_text("file_data"), inner.maybe_text("filename")
    url, file_id = inner.maybe_text("file_url"), inner.maybe_text("file_id")
    inner.ignore("detail")
    path = inner.at("file_data")
    if data is None:
        if url is not None:
            return neutral.Document(url=url, title=title, cache=mark)
        if file_id is None:
            bad(path, "or another source of the file must be there.")
        return neutral.Document(file_id=file_id, file_of=FILES, title=title, cache=mark)
    media_type, encoded = _data_url(data, path) if data.startswith("data:") else ("application/pdf", data)
    if not media_type.startswith("text/"):
        return neutral.Document(media_type, encoded, title=title, cache=mark)
    try:
        text = base64.b64decode(encoded).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        bad(path, "is not base64 of UTF-8 text.")
    return neutral.Document(media_type, text=text, title=title, cache=mark)


def _data_url(url: str, path: str) -> tuple[str, str]:
    """(media type, base64 text) of `data:TYPE;base64,DATA`."""
    head, comma, data = url[5:].partition(",")
    media_type, *rest = head.split(";")
    if not comma or "base64" not in rest or not media_type:
        bad(path, "must look like data:TYPE;base64,DATA.")
    return media_type.lower(), data


def _citations(holder: Fields, reading: Reading) -> tuple[neutral.Citation, ...]:
    """The annotations of a text in a history."""
    found = []
    for at, one in enumerate(holder.items("annotations")):
        citation = citation_of(one)
        if citation is None or citation.url is None:
            reading.notes.drop(holder.at(f"annotations[{at}]"), "it names a file that only its vendor has")
        else:
            found.append(citation)
    return tuple(found)


def citation_of(annotation: Any) -> neutral.Citation | None:
    """A web citation; another kind (a file's, whose id means nothing elsewhere) as its own raw form, so that it can be
    told of. OpenRouter adds the source's words as `content`."""
    if not isinstance(annotation, dict):
        return None
    if annotation.get("type") != "url_citation":
        return neutral.Citation(raw=annotation, protocol=FILES)
    inner = annotation.get("url_citation")  # Chat nests it
    found = inner if isinstance(inner, dict) else annotation
    url, title, words = (found.get(key) for key in ("url", "title", "content"))
    if not isinstance(url, str) or not url:
        return None
    return neutral.Citation(
        url,
        title if isinstance(title, str) else None,
        words if isinstance(words, str) else None,
        _place(found.get("start_index")),
        _place(found.get("end_index")),
    )


def source_of(page: Any) -> neutral.Citation | None:
    """What all of an answer rests on, without a place in it (docs/protocols/messages.md#citations)."""
    return citation_of({**page, "type": "url_citation"}) if isinstance(page, dict) else None


def _place(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():  # of a server that has one kind of number
        return int(value)
    return value if type(value) is int else None


# -- written


def url_citation(citation: neutral.Citation, length: int, offset: int = 0) -> dict[str, Any] | None:
    """length, offset: of the citation's whole text, which it stands for where it does not say more, or names a place
    that is none. Other kinds have no form here (docs/protocols/messages.md#citations)."""
    if citation.url is None:
        return None
    start = citation.start or 0
    end = min(length if citation.end is None else citation.end, length)
    if not 0 <= start < end:
        start, end = 0, length
    return {
        "start_index": offset + start,
        "end_index": offset + end,
        "title": citation.title or "",
        "url": citation.url,
    }


def marked(value: dict[str, Any], mark: neutral.CacheMark | None) -> dict[str, Any]:
    """The part with its cache mark."""
    if mark is not None:
        ttl = "12h" if mark.ttl == "12h" else None
        value["prompt_cache_breakpoint"] = maybe({"mode": "explicit", "ttl": ttl})
    return value


Rendered = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wording:
    """How one of the two writes a part. text: the type of a text part. image, file: (part) -> its value; file gets
    documents that are not text."""

    text: str
    image: Callable[[neutral.Image], Rendered]
    file: Callable[[neutral.Document], Rendered]


def content_part(part: neutral.Part, wording: Wording) -> list[Rendered]:
    """One part of a user's message or a tool's output; none where it has no form here."""
    if type(part) is neutral.Text:  # by far the commonest
        return [marked(_text(wording, part.text), part.cache)]
    match part:
        case neutral.Image():
            return [marked(wording.image(part), part.cache)]
        case neutral.Document():
            return _file(part, wording)
        case neutral.Audio():
            return [{"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}]
    return []


def _text(wording: Wording, text: str) -> Rendered:
    return {"type": wording.text, "text": text}


def _file(part: neutral.Document, wording: Wording) -> list[Rendered]:
    head = [line for line in (part.title, part.context) if line]
    if part.text is not None:
        return [marked(_text(wording, "\n".join([*head, part.text])), part.cache)]
    if part.parts is not None:
        said = [_text(wording, line) for line in head]
        return said + [value for inner in part.parts for value in content_part(inner, wording)]
    value = marked(wording.file(part), part.cache)
    # What was said about the file goes before it.
    return [_text(wording, part.context), value] if part.context else [value]
