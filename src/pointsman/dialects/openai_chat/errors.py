"""Our errors as Chat Completions clients expect them, whole or inside a stream."""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ..shapes import openai_error, openai_fields

error = openai_error


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """A chunk with a top-level `error`, which the SDKs raise on, and finish_reason `error`. No `[DONE]` follows:
    nothing may look like a clean end (DESIGN.md section 5)."""
    chunk = {
        "id": answer_id or request_id,
        "object": "chat.completion.chunk",
        "error": openai_fields(error),
        "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
