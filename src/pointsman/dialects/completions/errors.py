"""Our errors as Completions clients expect them, whole or inside a stream."""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ..shapes import openai_error, openai_fields

error = openai_error


def stream_error(error: PointsmanError, request_id: str) -> bytes:
    """A chunk with a top-level `error`; no `[DONE]` follows."""
    chunk = {"id": request_id, "object": "text_completion", "error": openai_fields(error), "choices": []}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
