"""What both of OpenAI's chat protocols write alike inside a message: data URLs, images, files, cache marks, strict schemas.

Shared by those two dialects. Not here: anything else of theirs; the dialects do not see each other.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ..conversation.notes import Notes
from ..conversation.parts import CacheMark, Document, Image
from ..conversation.profile import Profile
from ..conversation.request import OutputFormat
from ..conversation.schema import is_openai_strict
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


def marked(value: dict[str, Any], mark: CacheMark | None, profile: Profile) -> dict[str, Any]:
    """Only where the server knows marks: others refuse unknown keys in a part (PROTOCOLS.md 3.1)."""
    if mark is not None and profile.cache_marks:
        ttl = "12h" if mark.ttl == "12h" else None
        value["prompt_cache_breakpoint"] = maybe({"mode": "explicit", "ttl": ttl})
    return value


def json_schema(found: OutputFormat, notes: Notes) -> dict[str, Any]:
    """name, description, schema, strict: enforced strictly only where the schema allows it (PROTOCOLS.md section 6)."""
    schema = found.schema or {}
    strict = found.strict
    if strict is None or strict:
        fits = is_openai_strict(schema)
        if strict and not fits:
            notes.change("format", "its schema is not one that the backend can enforce strictly")
        strict = fits
    name = found.name or "output"  # required here; Messages has none
    return maybe({"name": name, "description": found.description, "schema": schema, "strict": strict})
