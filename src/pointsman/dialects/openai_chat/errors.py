"""Our errors as Chat clients expect them, whole or inside a stream; and an upstream's errors as
ours (docs/protocols/errors.md)."""

from __future__ import annotations

from ...errors import PointsmanError
from ..vendor_errors import openai_error


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """The bare error object, on which every client raises; beside `choices` some take it for a chunk like any other.
    No `[DONE]` follows: nothing may look like a clean end (docs/protocols/streams.md#errors-inside-a-stream)."""
    return b"data: " + openai_error(error, request_id) + b"\n\n"
