"""Our errors as Completions clients expect them, whole or inside a stream."""

from __future__ import annotations

from ...errors import PointsmanError
from ..vendor_errors import openai_error


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """The bare error object; no `[DONE]` follows (docs/protocols/streams.md#errors-inside-a-stream)."""
    return b"data: " + openai_error(error, request_id) + b"\n\n"
