"""Our errors as Responses clients (Codex, the SDKs) expect them, whole or inside a stream."""

from __future__ import annotations

import time

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..vendor_errors import openai_fields

_CODES = {
    ErrorKind.RATE_LIMITED: "rate_limit_exceeded",
    ErrorKind.CONTEXT_LENGTH: "context_length_exceeded",
    ErrorKind.BILLING: "insufficient_quota",
}
"""Codex acts on a short list of codes and retries on all others
(docs/protocols/errors.md#codes-for-codex)."""


def failed_value(error: PointsmanError) -> dict[str, str]:
    """The `error` of a failed response. Codex reads how long to wait out of the words
    (docs/protocols/errors.md#codes-for-codex)."""
    message = error.public
    if (
        error.kind is ErrorKind.RATE_LIMITED
        and error.retry_after is not None
        and "try again in" not in message
    ):
        message = f"{message} Please try again in {error.retry_after}s."
    return {"code": _CODES.get(error.kind, "server_error"), "message": message}


_LAST_NUMBER = 1_000_000_000
"""After every number that the backend can have used."""


def error_event(error: PointsmanError, number: int) -> bytes:
    """`event: error`, as the vendor sends it before `response.failed`: the SDKs raise on its member `error`, other
    clients read the documented members beside it (docs/protocols/streams.md#errors-inside-a-stream)."""
    told = {**failed_value(error), "param": error.param}
    value = {
        "type": "error",
        "sequence_number": number,
        "error": {"type": openai_fields(error)["type"], **told},
        **told,
    }
    return b"event: error\ndata: " + msgspec.json.encode(value) + b"\n\n"


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """`error`, on which the SDKs raise, and `response.failed`, on whose code Codex acts."""
    failed = {
        "type": "response.failed",
        "sequence_number": _LAST_NUMBER + 1,
        "response": {
            "id": answer_id or request_id,
            "object": "response",
            "created_at": int(time.time()),
            "status": "failed",
            "error": failed_value(error),
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": "",
            "output": [],
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
        },
    }
    ended = b"event: response.failed\ndata: " + msgspec.json.encode(failed) + b"\n\n"
    return error_event(error, _LAST_NUMBER) + ended
