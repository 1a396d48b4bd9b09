"""Our errors as Embeddings clients expect them. A stream does not exist here; its form is the whole one."""

from __future__ import annotations

from ...errors import PointsmanError
from ..vendor_errors import openai_error


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """What a backend that streams embeddings all the same would be ended with."""
    return b"data: " + openai_error(error, request_id) + b"\n\n"
