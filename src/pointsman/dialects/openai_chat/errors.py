"""Our errors as Chat clients expect them, whole or inside a stream; and an upstream's errors as
ours (docs/protocols/errors.md)."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import PointsmanError
from .. import vendor_errors as shapes
from ..vendor_errors import openai_fields


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """A chunk with a top-level `error`, which the SDKs raise on, and finish_reason `error`. No `[DONE]` follows:
    nothing may look like a clean end (docs/protocols/streams.md#errors-inside-a-stream)."""
    chunk = {
        "id": answer_id or request_id,
        "object": "chat.completion.chunk",
        "error": openai_fields(error),
        "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def error_inside(error: Any) -> PointsmanError:
    """An error object of an answer whose status was 200."""
    return shapes.error_inside(msgspec.json.encode({"error": error}))
