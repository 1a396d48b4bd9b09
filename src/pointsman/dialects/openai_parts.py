"""What both of OpenAI's chat protocols write alike inside a message: data URLs, images, files, cache marks, strict schemas.

Shared by those two dialects. Not here: anything else of theirs; the dialects do not see each other.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..conversation.parts import Audio, CacheMark, Document, Image, Part, Text
from ..conversation.request import OutputFormat
from .fields import bad, maybe

FILES = "openai"
"""Whose file ids these protocols carry (Image.file_of, Profile.files)."""


def data_url(url: str, path: str) -> tuple[str, str]:
    """(media type, base64 text) of `data:TYPE;base64,DATA`. Raises PointsmanError 400."""
    head, comma, data = url[5:].partition(",")
    media_type, *rest = head.split(";")
    if not comma or "base64" not in rest or not media_type:
        bad(path, "must look like data:TYPE;base64,DATA.")
    return media_type.lower(), data


def image_of(url: str, detail: str | None, mark: CacheMark | None, path: str) -> Image:
    """An image by its URL, which may hold the data itself. Raises PointsmanError 400."""
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")):
            bad(path, "must be an http(s) or a data: URL.")
        return Image(url=url, detail=detail, cache=mark)
    media_type, data = data_url(url, path)
    return Image(media_type=media_type, data=data, detail=detail, cache=mark)


def document_of(
    data: str | None, title: str | None, file_id: str | None, url: str | None, path: str
) -> Document:
    """A file part. Text files become text: every protocol can carry that. Raises PointsmanError 400."""
    if data is None:
        if url is not None:
            return Document(url=url, title=title)
        if file_id is None:
            bad(path, "or another source of the file must be there.")
        return Document(file_id=file_id, file_of=FILES, title=title)
    media_type, encoded = data_url(data, path) if data.startswith("data:") else ("application/pdf", data)
    if media_type.startswith("text/"):
        try:
            text = base64.b64decode(encoded).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            bad(path, "is not base64 of UTF-8 text.")
        return Document(media_type=media_type, text=text, title=title)
    return Document(media_type=media_type, data=encoded, title=title)


def marked(value: dict[str, Any], mark: CacheMark | None) -> dict[str, Any]:
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
    image: Callable[[Image], Rendered]
    file: Callable[[Document], Rendered]


def content_part(part: Part, wording: Wording) -> list[Rendered]:
    """One part of a user's message or a tool's output; none where it has no form here."""
    match part:
        case Text():
            return [marked(_text(wording, part.text), part.cache)]
        case Image():
            return [marked(wording.image(part), part.cache)]
        case Document():
            return _document(part, wording)
        case Audio():
            return [{"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}]
    return []


def _text(wording: Wording, text: str) -> Rendered:
    return {"type": wording.text, "text": text}


def _document(part: Document, wording: Wording) -> list[Rendered]:
    head = [line for line in (part.title, part.context) if line]
    if part.text is not None:
        return [marked(_text(wording, "\n".join([*head, part.text])), part.cache)]
    if part.parts is not None:
        said = [_text(wording, line) for line in head]
        return said + [value for inner in part.parts for value in content_part(inner, wording)]
    value = marked(wording.file(part), part.cache)
    # What was said about the file goes before it.
    return [_text(wording, part.context), value] if part.context else [value]


def json_schema(found: OutputFormat) -> dict[str, Any]:
    """name, description, schema, strict."""
    name = found.name or "output"  # required here; Messages has none
    return maybe(
        {
            "name": name,
            "description": found.description,
            "schema": found.schema or {},
            "strict": found.strict,
        }
    )
