"""Our errors as Ollama's clients expect them, whole or as the last line of a stream."""

from __future__ import annotations

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from .lines import line

_NOT_FOUND = "not found"
"""What clients look for in a 404 before they offer to fetch the model (docs/protocols/ollama.md#errors)."""


def error_body(error: PointsmanError, request_id: str) -> bytes:
    """`{"error": TEXT}` (api/types.go, `StatusError`)."""
    return msgspec.json.encode(_told(error))


def _told(error: PointsmanError) -> dict[str, str]:
    text = error.public
    if error.kind is ErrorKind.MODEL_NOT_FOUND and _NOT_FOUND not in text:
        text = f"model {_NOT_FOUND}: {text}"
    return {"error": text}


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """The same as a line: every official client raises at a line with `error`. No line with `done` follows."""
    return line(_told(error))
