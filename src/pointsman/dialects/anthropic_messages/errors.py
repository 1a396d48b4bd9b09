"""Errors both ways: ours as Messages clients (Claude Code, the SDKs) expect them, and an upstream's as ours.

Not here: the vendor's error body (dialects/vendor_errors.py), and what a status means (statuses.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...statuses import kind_of_status
from ..decoding import UNREADABLE
from ..error_words import Told, told, told_by
from ..overflow import overflow
from ..vendor_errors import KIND_OF_WORD, anthropic_error, member_object, status_inside

STATUSES = {ErrorKind.OVERLOADED: 529, ErrorKind.BILLING: 402, ErrorKind.INVALID: 400}
"""Where this vendor's status is not the usual one
(docs/protocols/errors.md#kinds-statuses-and-words)."""
_TELLING = {
    word: KIND_OF_WORD[word]
    for word in (
        "authentication_error", "billing_error", "permission_error", "not_found_error", "request_too_large",
        "rate_limit_error", "timeout_error", "overloaded_error",
    )
} | {"conflict_error": ErrorKind.CONFLICT}  # fmt: skip
"""Types that say more than a status; the general two, `invalid_request_error` and `api_error`, do not."""
_TOO_LONG = "prompt is too long"
_OWN_WORDS = (_TOO_LONG, "exceed context limit")
"""In which the vendor itself says that the input is too long, the second of input and output together."""
_NO_CREDIT = "credit balance is too low"


def error(error: PointsmanError, request_id: str) -> bytes:
    """The whole body. Claude Code compacts its conversation when the text begins with "prompt is too long"."""
    return anthropic_error(_worded(error), request_id)


def stream_error(error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
    """`event: error`, on which the SDKs raise; no `message_stop` follows."""
    return b"event: error\ndata: " + anthropic_error(_worded(error), request_id) + b"\n\n"


def _worded(error: PointsmanError) -> PointsmanError:
    if error.kind is not ErrorKind.CONTEXT_LENGTH or error.public.startswith(_TOO_LONG):
        return error
    used, limit = error.tokens
    text = f"{_TOO_LONG}: {error.public}"
    if used is not None and limit is not None:
        text = f"{_TOO_LONG}: {used} tokens > {limit} maximum ({error.public})"
    return PointsmanError(
        error.kind, text, status=error.status, retry_after=error.retry_after, param=error.param
    )


def parse_error(status: int, body: bytes) -> PointsmanError:
    """An upstream's error answer as ours; its words and its code are kept
    (docs/protocols/errors.md#kinds-statuses-and-words)."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        value = None
    inside = value.get("error", value) if isinstance(value, dict) else value
    return _of(inside, status, told(body))


def is_error(body: bytes) -> bool:
    """Is it an error as this protocol's clients read it: `type: error` with a type and a message inside? That the input is
    too long must be said in words on which they act (docs/protocols/errors.md#bodies-of-a-backends-own)."""
    inside = member_object(body, "error")
    if inside is None or msgspec.json.decode(body).get("type") != "error":
        return False
    text = inside.get("message")
    if not isinstance(inside.get("type"), str) or not isinstance(text, str):
        return False
    return (
        any(words in text for words in _OWN_WORDS)
        or _of(inside, 400, told_by(inside)).kind is not ErrorKind.CONTEXT_LENGTH
    )


def error_inside(error: Any) -> PointsmanError:
    """The error inside an answer that says 200. By the status it names, else by its words."""
    return _of(error, status_inside(error) or None, told_by(error))


def _of(inside: Any, status: int | None, found: Told) -> PointsmanError:
    """status: None for one that stood in a stream."""
    fields = inside if isinstance(inside, dict) else {}
    silent = f"The backend answered {status} without saying why." if status else "The backend failed."
    message = found.text or silent
    details = fields.get("details")
    code = (details.get("error_code") if isinstance(details, dict) else None) or fields.get("code")
    own = fields.get("type")
    code = code if isinstance(code, str) else None
    own = own if isinstance(own, str) else ""
    kind = _kind(own, status, message)
    if kind in (ErrorKind.BAD_REQUEST, ErrorKind.TOO_LARGE, ErrorKind.UPSTREAM_ERROR):
        tokens = overflow(message, *found.codes, inside=found.inside)
        if tokens is not None:
            return PointsmanError(ErrorKind.CONTEXT_LENGTH, message, status=400, code=code, tokens=tokens)
    if status == 422:
        status = 400
    kept = status if status is not None and status >= 400 else None
    return PointsmanError(kind, message, status=kept, code=code)


def _kind(own: str, status: int | None, message: str) -> ErrorKind:
    text = message.lower()
    if _NO_CREDIT in text:
        return ErrorKind.BILLING
    if own in _TELLING:
        kind = _TELLING[own]
    elif status is not None and status >= 400:
        kind = kind_of_status(status)
    else:
        return ErrorKind.BAD_REQUEST if own == "invalid_request_error" else ErrorKind.UPSTREAM_ERROR
    return ErrorKind.MODEL_NOT_FOUND if kind is ErrorKind.NOT_FOUND and "model" in text else kind
