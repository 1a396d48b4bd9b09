"""Images and files made to fit: an image that cannot go is an error, never nothing
(docs/protocols/messages.md#what-cannot-go-is-an-error). See adapt.py."""

from __future__ import annotations

import base64
import binascii

import msgspec

from ..conversation.notes import Notes
from ..conversation.parts import Document, Image, Text
from ..conversation.profile import Profile

_MAGIC = (("/9j/", "image/jpeg"), ("iVBOR", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
"""How each kind of image begins in base64, for data that came without its type."""
_TEXTUAL = ("application/json", "application/xml", "application/x-yaml", "application/javascript")
_FILE_ID = "a file id is known to its own vendor only; send the file itself."


def fit_image(part: Image, profile: Profile, notes: Notes) -> Image:
    """Raises PointsmanError 400 where it cannot be shown."""
    if not profile.images:
        notes.refuse(part.path, "this model takes no images; leave it out or use a model that does.")
    if part.file_id is not None and part.file_of != profile.files:
        notes.refuse(part.path, _FILE_ID)
    if part.url is not None and not profile.image_urls:
        notes.refuse(part.path, "this backend fetches no images; send the image itself in base64.")
    if part.detail is not None and not profile.image_detail:
        if part.detail != "auto":
            notes.drop(notes.inside(part, "detail"), "the backend does not take it")
        part = msgspec.structs.replace(part, detail=None)
    if part.data is None or not profile.image_types:
        return part
    kind = _image_type(part)
    if kind not in profile.image_types:
        notes.refuse(
            part.path, f"images of type {kind or 'unknown'} are not taken; send jpeg, png, gif or webp."
        )
    return part if kind == part.media_type else msgspec.structs.replace(part, media_type=kind)


def _image_type(part: Image) -> str:
    kind = (part.media_type or "").partition(";")[0].strip().lower()
    if kind in ("", "image/*", "application/octet-stream"):
        data = part.data or ""
        return next((found for start, found in _MAGIC if data.startswith(start)), "")
    return "image/jpeg" if kind == "image/jpg" else kind


def fit_document(part: Document, profile: Profile, notes: Notes) -> Document:
    """Raises PointsmanError 400 where it cannot be read."""
    if part.parts is not None:
        inner = tuple(one if isinstance(one, Text) else fit_image(one, profile, notes) for one in part.parts)
        return msgspec.structs.replace(part, parts=inner)
    if part.text is not None:
        return part
    if not profile.documents:
        notes.refuse(
            part.path, "this model takes no files; send their text instead, or use a model that does."
        )
    if part.file_id is not None and part.file_of != profile.files:
        notes.refuse(part.path, _FILE_ID)
    if part.data is None or not profile.document_types:
        return part
    kind = (part.media_type or "application/pdf").partition(";")[0].strip().lower()
    if kind in profile.document_types:
        return msgspec.structs.replace(part, media_type=kind)
    text = _decoded(part.data) if kind.startswith("text/") or kind in _TEXTUAL else None
    if text is None:
        notes.refuse(part.path, f"files of type {kind} are not taken; send a PDF or plain text.")
    return msgspec.structs.replace(part, media_type=kind, data=None, text=text)


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=False).decode("utf-8-sig")
    except (binascii.Error, ValueError):
        return None
