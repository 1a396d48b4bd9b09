"""The one root of our own errors. It knows its consequences (status, retry); a dialect knows its wording.

Not here: how an error looks on the wire (dialects/*/errors.py, control/problems.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kinds import ErrorKind

_STATUS: dict[ErrorKind, int] = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.UNAUTHORIZED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.MODEL_NOT_FOUND: 404,
    ErrorKind.NOT_RECORDED: 404,
    ErrorKind.METHOD_NOT_ALLOWED: 405,
    ErrorKind.CONFLICT: 409,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.INVALID: 422,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.INTERNAL: 500,
    ErrorKind.NOT_IMPLEMENTED: 501,
    ErrorKind.UPSTREAM_UNREACHABLE: 502,
    ErrorKind.UPSTREAM_ERROR: 502,
    ErrorKind.UPSTREAM_TIMEOUT: 504,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.CONTEXT_LENGTH: 400,
    ErrorKind.BILLING: 402,
    ErrorKind.OVERLOADED: 503,
}


class PointsmanError(Exception):
    """Something we tell a caller.

    kind: what happened, as a small set. public: a sentence for the caller that says what to do next; never a
    path, a key or another exception's text. status: HTTP status (default by kind). retry_after: whole seconds,
    or None. param: the field it is about, or None. code: the upstream's own word for it, where it had one. tokens: (used,
    limit) of a CONTEXT_LENGTH, each None when not told. details: what a client's program acts on, as its protocol has it.
    """

    def __init__(
        self,
        kind: ErrorKind,
        public: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        param: str | None = None,
        code: str | None = None,
        tokens: tuple[int | None, int | None] = (None, None),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(public)
        self.kind = kind
        self.public = public
        self.status = status if status is not None else _STATUS[kind]
        self.retry_after = retry_after
        self.param = param
        self.code = code
        self.tokens = tokens
        self.details = details
