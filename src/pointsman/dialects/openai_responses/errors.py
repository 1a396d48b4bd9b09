"""Our errors as Responses clients (Codex, the SDKs) expect them, whole or inside a stream."""

from __future__ import annotations

import time

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ..shapes import openai_error

error = openai_error

_CODES = {ErrorKind.RATE_LIMITED: "rate_limit_exceeded"}
"""Codex acts on a short list of codes and retries on all others (PROTOCOLS.md 12.3)."""


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """`response.failed`, which ends the stream as a failure for the SDKs and Codex."""
    code = _CODES.get(error.kind, "server_error")
    failed = {
        "type": "response.failed",
        "sequence_number": 1_000_000_000,  # after every number the backend can have used
        "response": {
            "id": answer_id or request_id,
            "object": "response",
            "created_at": int(time.time()),
            "status": "failed",
            "error": {"code": code, "message": error.public},
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
    return b"event: response.failed\ndata: " + msgspec.json.encode(failed) + b"\n\n"
