"""Our errors as Messages clients (Claude Code, the SDKs) expect them, whole or inside a stream."""

from __future__ import annotations

from ...errors import PointsmanError
from ..shapes import anthropic_error

error = anthropic_error


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """`event: error`, on which the SDKs raise; no `message_stop` follows."""
    return b"event: error\ndata: " + anthropic_error(error, request_id) + b"\n\n"
