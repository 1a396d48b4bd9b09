"""The two vendors' error bodies and the words each uses for a kind of error (PROTOCOLS.md 12.1, 12.3).

Shared by the dialects that speak like that vendor; which dialect uses which is in its own errors.py. Also here: the
one question that all of them ask of a whole answer.
"""

from __future__ import annotations

import msgspec

from ..errors import PointsmanError
from ..kinds import ErrorKind

_OPENAI: dict[ErrorKind, tuple[str, str | None]] = {  # type, code
    ErrorKind.BAD_REQUEST: ("invalid_request_error", None),
    ErrorKind.UNAUTHORIZED: ("invalid_request_error", "invalid_api_key"),
    ErrorKind.FORBIDDEN: ("invalid_request_error", "permission_denied"),
    ErrorKind.NOT_FOUND: ("invalid_request_error", "not_found"),
    ErrorKind.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found"),
    ErrorKind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_allowed"),
    ErrorKind.CONFLICT: ("invalid_request_error", "conflict"),
    ErrorKind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    ErrorKind.INVALID: ("invalid_request_error", None),
    ErrorKind.RATE_LIMITED: ("requests", "rate_limit_exceeded"),
    ErrorKind.INTERNAL: ("server_error", None),
    ErrorKind.NOT_IMPLEMENTED: ("invalid_request_error", "not_implemented"),
    ErrorKind.UPSTREAM_UNREACHABLE: ("server_error", "upstream_unreachable"),
    ErrorKind.UPSTREAM_ERROR: ("server_error", "upstream_error"),
    ErrorKind.UPSTREAM_TIMEOUT: ("server_error", "timeout"),
    ErrorKind.UNAVAILABLE: ("server_error", "unavailable"),
    ErrorKind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    ErrorKind.BILLING: ("insufficient_quota", "insufficient_quota"),
    ErrorKind.OVERLOADED: ("server_error", "overloaded"),
}

_ANTHROPIC: dict[ErrorKind, str] = {
    ErrorKind.BAD_REQUEST: "invalid_request_error",
    ErrorKind.UNAUTHORIZED: "authentication_error",
    ErrorKind.FORBIDDEN: "permission_error",
    ErrorKind.NOT_FOUND: "not_found_error",
    ErrorKind.MODEL_NOT_FOUND: "not_found_error",
    ErrorKind.METHOD_NOT_ALLOWED: "invalid_request_error",
    ErrorKind.CONFLICT: "conflict_error",
    ErrorKind.TOO_LARGE: "request_too_large",
    ErrorKind.INVALID: "invalid_request_error",
    ErrorKind.RATE_LIMITED: "rate_limit_error",
    ErrorKind.INTERNAL: "api_error",
    ErrorKind.NOT_IMPLEMENTED: "invalid_request_error",
    ErrorKind.UPSTREAM_UNREACHABLE: "api_error",
    ErrorKind.UPSTREAM_ERROR: "api_error",
    ErrorKind.UPSTREAM_TIMEOUT: "timeout_error",
    ErrorKind.UNAVAILABLE: "overloaded_error",
    ErrorKind.CONTEXT_LENGTH: "invalid_request_error",
    ErrorKind.BILLING: "billing_error",
    ErrorKind.OVERLOADED: "overloaded_error",
}


def is_json_object(body: bytes) -> bool:
    """Is a whole answer at least JSON of the right kind? Asked where its fields are not of the types we know."""
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def openai_fields(error: PointsmanError) -> dict[str, str | None]:
    """The inside of OpenAI's `error` object."""
    kind, code = _OPENAI[error.kind]
    return {"message": error.public, "type": kind, "param": error.param, "code": code}


def openai_error(error: PointsmanError, request_id: str) -> bytes:
    """OpenAI's error body; the request id travels in the `x-request-id` header."""
    return msgspec.json.encode({"error": openai_fields(error)})


def anthropic_error(error: PointsmanError, request_id: str) -> bytes:
    """Anthropic's error body."""
    inside = {"type": _ANTHROPIC[error.kind], "message": error.public}
    return msgspec.json.encode({"type": "error", "error": inside, "request_id": request_id})
