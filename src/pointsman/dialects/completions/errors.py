"""Our errors as Completions clients expect them, whole or inside a stream."""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ..vendor_errors import openai_fields


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """A chunk with a top-level `error`; no `[DONE]` follows."""
    chunk = {
        "id": answer_id or request_id,
        "object": "text_completion",
        "error": openai_fields(error),
        "choices": [],
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
