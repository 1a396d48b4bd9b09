"""The one file of a form (multipart/form-data, RFC 7578), as it comes: nothing of it is kept in memory. Not here: what
becomes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message

from fastapi import Request

from ...errors import PointsmanError
from ...kinds import ErrorKind

_MOST_HEAD = 8192


async def uploaded_file(request: Request) -> AsyncIterator[bytes]:
    """Its bytes. Raises INVALID where the form has no file first, or it does not come whole."""
    edge = b"\r\n--" + _boundary(request.headers.get("content-type", ""))
    pieces = request.stream()
    left = b"\r\n"
    while (at := left.find(b"\r\n\r\n")) < 0 or not left.startswith(edge):
        if len(left) > _MOST_HEAD or (piece := await anext(pieces, b"")) == b"":
            raise _no("Choose a file first.")
        left += piece
    _check_head(left[len(edge) : at])
    left = left[at + 4 :]
    while (at := left.find(edge)) < 0:
        whole, left = left[: -len(edge)], left[-len(edge) :]  # an edge may have begun
        if whole:
            yield whole
        if (piece := await anext(pieces, b"")) == b"":
            raise _no("The file did not come whole; send it again.")
        left += piece
    if at:
        yield left[:at]
    async for _ in pieces:  # an answer before the end would look like a broken connection
        pass


def _boundary(content_type: str) -> bytes:
    told = Message()
    told["content-type"] = content_type.encode("ascii", "replace").decode()
    found = told.get_boundary() if told.get_content_type() == "multipart/form-data" else None
    if not found or len(found) > 70:
        raise _no("Send the file as multipart/form-data.")
    return found.encode("ascii", "replace")


def _check_head(head: bytes) -> None:
    """Of the first part: it is a file that somebody has chosen."""
    text = head.decode("utf-8", "replace").lower()
    if "filename=" not in text or 'filename=""' in text:
        raise _no("Choose a file first.")


def _no(text: str) -> PointsmanError:
    return PointsmanError(ErrorKind.INVALID, text, param="file")
