"""The two vendors' error bodies and the words each uses for a kind of error
(docs/protocols/errors.md#kinds-statuses-and-words).

Shared by the dialects that speak like that vendor; which dialect uses which is in its own errors.py. Also here: the
one question that all of them ask of a whole answer.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..statuses import kind_of_status
from ..wire.sse import name_of, unframed_error
from .decoding import UNREADABLE
from .error_words import TEXTS, told, told_by
from .overflow import overflow

_WORDS: dict[ErrorKind, tuple[str, str | None, str]] = {
    ErrorKind.BAD_REQUEST: ("invalid_request_error", None, "invalid_request_error"),
    ErrorKind.UNAUTHORIZED: ("invalid_request_error", "invalid_api_key", "authentication_error"),
    ErrorKind.FORBIDDEN: ("invalid_request_error", "permission_denied", "permission_error"),
    ErrorKind.NOT_FOUND: ("invalid_request_error", "not_found", "not_found_error"),
    ErrorKind.NOT_RECORDED: ("invalid_request_error", "not_recorded", "not_found_error"),
    ErrorKind.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found", "not_found_error"),
    ErrorKind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_allowed", "invalid_request_error"),
    ErrorKind.CONFLICT: ("invalid_request_error", "conflict", "conflict_error"),
    ErrorKind.TOO_LARGE: ("invalid_request_error", "request_too_large", "request_too_large"),
    ErrorKind.INVALID: ("invalid_request_error", None, "invalid_request_error"),
    ErrorKind.RATE_LIMITED: ("requests", "rate_limit_exceeded", "rate_limit_error"),
    ErrorKind.INTERNAL: ("server_error", None, "api_error"),
    ErrorKind.NOT_IMPLEMENTED: ("invalid_request_error", "not_implemented", "invalid_request_error"),
    ErrorKind.UPSTREAM_UNREACHABLE: ("server_error", "upstream_unreachable", "api_error"),
    ErrorKind.UPSTREAM_ERROR: ("server_error", "upstream_error", "api_error"),
    ErrorKind.UPSTREAM_TIMEOUT: ("server_error", "timeout", "timeout_error"),
    ErrorKind.UNAVAILABLE: ("server_error", "unavailable", "overloaded_error"),
    ErrorKind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded", "invalid_request_error"),
    ErrorKind.BILLING: ("insufficient_quota", "insufficient_quota", "billing_error"),
    ErrorKind.OVERLOADED: ("server_error", "overloaded", "overloaded_error"),
}
"""OpenAI's type and code, Anthropic's type."""
_RATES = ("requests", "tokens")
"""OpenAI's type of a refusal says of which rate it is."""


def holds_list(body: bytes, member: str) -> bool:
    """Does a whole answer have the list that makes it one? Asked where its fields are not of the types we know."""
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return False
    return bytes(found.get(member, b"")).startswith(b"[")


def openai_fields(error: PointsmanError) -> dict[str, str | None]:
    """The inside of OpenAI's `error` object."""
    kind, code, _ = _WORDS[error.kind]
    if error.kind is ErrorKind.BAD_REQUEST and error.code != kind:  # its code says more than the kind
        code = error.code
    if error.kind is ErrorKind.RATE_LIMITED and error.code in _RATES:
        kind = error.code
    return {"message": error.public, "type": kind, "param": error.param, "code": code}


def openai_error(error: PointsmanError, request_id: str) -> bytes:
    """OpenAI's error body; the request id travels in the `x-request-id` header."""
    return msgspec.json.encode({"error": openai_fields(error)})


def anthropic_error(error: PointsmanError, request_id: str) -> bytes:
    """Anthropic's error body."""
    inside: dict[str, Any] = {"type": _WORDS[error.kind][2], "message": error.public}
    if error.details is not None:
        inside["details"] = error.details
    return msgspec.json.encode({"type": "error", "error": inside, "request_id": request_id})


OPENAI_STATUSES = {ErrorKind.BILLING: 429, ErrorKind.OVERLOADED: 503, ErrorKind.INVALID: 400}
"""The statuses OpenAI's clients expect where they are not the usual ones
(docs/protocols/errors.md#kinds-statuses-and-words)."""

# -- an upstream's errors as ours

KIND_OF_WORD = {
    "context_length_exceeded": ErrorKind.CONTEXT_LENGTH,
    "insufficient_quota": ErrorKind.BILLING,
    "billing_error": ErrorKind.BILLING,
    "model_not_found": ErrorKind.MODEL_NOT_FOUND,
    "invalid_api_key": ErrorKind.UNAUTHORIZED,
    "authentication_error": ErrorKind.UNAUTHORIZED,
    "permission_error": ErrorKind.FORBIDDEN,
    "not_found_error": ErrorKind.NOT_FOUND,
    "request_too_large": ErrorKind.TOO_LARGE,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "overloaded": ErrorKind.OVERLOADED,
    "timeout_error": ErrorKind.UPSTREAM_TIMEOUT,
    "timeout": ErrorKind.UPSTREAM_TIMEOUT,
    "api_error": ErrorKind.UPSTREAM_ERROR,
    "server_error": ErrorKind.UPSTREAM_ERROR,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
}
"""Both vendors' codes and types; a dialect asks them before the status where that says less (errors inside a 200)."""
_SERVERS = frozenset({ErrorKind.UPSTREAM_ERROR, ErrorKind.UPSTREAM_TIMEOUT})
_MAX_TEXT = 2000
_OVERFLOWING = frozenset({400, 413, 422, 500})
"""Statuses with which servers say that the input does not fit."""


def upstream_error(status: int, body: bytes) -> PointsmanError:
    """An upstream's error answer as ours, its words and code kept. status 0: it came inside an answer that had begun.

    Parsed by content: some servers answer JSON with a wrong content type, some a bare string
    (docs/protocols/errors.md#bodies-seen).
    """
    found = told(body)
    words = found.codes
    text = found.text or (f"The backend answered {status}." if status else "The backend failed.")
    code = words[0] if words else None
    may_overflow = not status or status in _OVERFLOWING
    tokens = overflow(found.text, *words, inside=found.inside) if may_overflow else None
    by_status = kind = kind_of_status(status)
    if tokens is not None:
        kind = ErrorKind.CONTEXT_LENGTH
    elif status in (0, 404, 429):
        # A status that blames the client is not overruled by a word that blames the server.
        meant = [KIND_OF_WORD[word] for word in words if word in KIND_OF_WORD]
        kind = next((one for one in meant if not status or one not in _SERVERS), kind)
    if kind is ErrorKind.CONTEXT_LENGTH or status == 422:
        status = 400
    elif kind is not by_status:
        status = 0
    return PointsmanError(
        kind, text, status=status or None, param=found.param, code=code, tokens=tokens or (None, None)
    )


def error_inside(payload: bytes) -> PointsmanError:
    """The error inside an answer that says 200: a body, or the data of one event. By the status it names, else by its
    words."""
    try:
        value: Any = msgspec.json.decode(payload)
    except UNREADABLE:
        return upstream_error(0, payload)
    if isinstance(value, dict) and isinstance(value.get("response"), dict):  # of a `response.failed`
        value = value["response"]
    return error_of(value.get("error", value) if isinstance(value, dict) else value)


_FAILURE = re.compile("error|exception|(?<!de)fault|fail|^err$")
_AROUND = ("data", "response", "result", "body", "output", "detail")
"""Members in which servers wrap what they say once more."""


def is_named_error(event: bytes) -> bool:
    """Does a server-sent event say by its name that it is an error, or an exception?"""
    return names_error(name_of(event).decode("utf-8", "replace"))


def names_error(word: str) -> bool:
    """Is it the name of an event, or a type, by which servers tell an error?"""
    return word in KIND_OF_WORD or _FAILURE.search(word.lower()) is not None


def event_error(event: bytes) -> Any:
    """The error of an event without data: its JSON without framing, or its name alone. None where it is none."""
    found = bare_error(unframed_error(event))
    return {"message": "The backend failed."} if found is None and is_named_error(event) else found


def bare_error(payload: bytes, *, sure: bool = False) -> Any:
    """The error in what should have been an answer and has none of its members: servers leave the wrapper out. None
    where it is no error. sure: something else said that it is one (an event's name), whatever it looks like. Plain
    words are one also where they say that the input is too long."""
    try:
        value = msgspec.json.decode(payload)
    except UNREADABLE:
        text = payload[:_MAX_TEXT].decode("utf-8", "replace")
        return text if sure or overflow(text) is not None else None
    found = _error_in(value)
    return value if found is None and sure else found


def body_error(body: bytes) -> Any:
    """The same of a whole body, of which nothing else is expected: plain words that speak of a failure, too."""
    text = body[:_MAX_TEXT].decode("utf-8", "replace").strip()
    plain = not text.startswith(("<", "{", "[", '"'))
    return bare_error(body, sure=plain and _FAILURE.search(text.lower()) is not None)


def _error_in(value: Any) -> Any:
    """In any vendor's form (docs/protocols/errors.md#bodies-seen)."""
    if isinstance(value, list):  # Google's
        first = value[0] if value else None
        return value if isinstance(first, str) and _is_sentence(first) else _error_in(first)
    if isinstance(value, str):
        return value if _is_sentence(value) else None
    if not isinstance(value, dict):
        return None
    error = value.get("error")
    if isinstance(error, dict | list | str) and error != "":
        return error or {"message": "The backend failed."}
    state = value.get("base_resp")  # MiniMax's
    if isinstance(state, dict) and state.get("status_code") and state.get("status_msg"):
        return {"message": str(state["status_msg"]), "code": str(state["status_code"])}
    choices = value.get("choices")  # of a Chat server behind another protocol's path
    wrapped = [value.get(name) for name in _AROUND] + (choices if isinstance(choices, list) else [])
    inside = next((one["error"] for one in wrapped if isinstance(one, dict) and one.get("error")), None)
    if inside is not None:
        return inside
    lower = {name.lower(): one for name, one in value.items()}
    text = next((lower[name.lower()] for name in TEXTS if lower.get(name.lower())), None)
    if text is not None:
        return value if isinstance(value.get("message"), str) else {**value, "message": told_by(text).text}
    if "error" in (value.get("object"), value.get("type"), value.get("status")):
        return {**value, "message": value["reason"]} if isinstance(value.get("reason"), str) else value
    named = next((one for name, one in lower.items() if one and _FAILURE.search(name)), None)
    return {"message": told_by(named).text} if named is not None else None


def _is_sentence(text: str) -> bool:
    """No protocol's answer is a bare string; a word alone may keep a stream alive."""
    return " " in text.strip() or names_error(text)


_OWN_CODES = ("context_length_exceeded", "string_above_max_length")
"""By which OpenAI itself says that the input is too long."""


def is_openai_error(body: bytes) -> bool:
    """Is it an error as OpenAI's clients read it: an object with a message under `error`? That the input is too long must
    be said by the code on which they act (docs/protocols/errors.md#bodies-of-a-backends-own)."""
    return is_openai_object(member_object(body, "error"))


def is_openai_object(inside: Any) -> bool:
    """The same of what stands under `error`, there and in a stream."""
    if not isinstance(inside, dict) or not isinstance(inside.get("message"), str):
        return False
    kind, code = inside.get("type"), inside.get("code")
    if not isinstance(kind, str | None) or not isinstance(code, str | int | None):
        return False
    return code in _OWN_CODES or error_of(inside).kind is not ErrorKind.CONTEXT_LENGTH


def error_of(inside: Any) -> PointsmanError:
    """The error object of an answer whose status was 200: by the status it names, else by its words."""
    return upstream_error(status_inside(inside), msgspec.json.encode({"error": inside}))


def member_object(body: bytes, member: str) -> dict[str, Any] | None:
    """The object that stands there in a JSON object, None when there is none."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    found = value.get(member) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else None


def status_inside(error: Any) -> int:
    """The HTTP status that an error object names, 0 when it names none."""
    if isinstance(error, dict):
        for name in ("code", "status", "status_code"):
            number = error.get(name)
            if isinstance(number, int) and 400 <= number < 600:
                return number
    return 0
