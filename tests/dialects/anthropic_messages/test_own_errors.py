"""Errors of a Messages upstream as ours, and ours in the vendor's words and status."""

from __future__ import annotations

import json

import pytest

from pointsman.dialects.anthropic_messages.errors import error, parse_error, stream_error
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind as K
from pointsman.kinds import Protocol


def body(kind: str, message: str, **more: object) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"}
    ).encode()


@pytest.mark.parametrize(
    ("code", "raw", "kind", "kept"),
    [
        (400, body("invalid_request_error", "bad"), K.BAD_REQUEST, 400),
        (401, body("authentication_error", "invalid x-api-key"), K.UNAUTHORIZED, 401),
        (400, body("invalid_request_error", "Your credit balance is too low to access"), K.BILLING, 400),
        (402, body("billing_error", "pay"), K.BILLING, 402),
        (403, body("permission_error", "no"), K.FORBIDDEN, 403),
        (404, body("not_found_error", "model: claude-x"), K.MODEL_NOT_FOUND, 404),
        (404, body("not_found_error", "Not found"), K.NOT_FOUND, 404),
        (409, body("conflict_error", "x"), K.CONFLICT, 409),
        (413, body("request_too_large", "x"), K.TOO_LARGE, 413),
        (422, b'{"detail": "field required"}', K.BAD_REQUEST, 400),
        (429, body("rate_limit_error", "slow"), K.RATE_LIMITED, 429),
        (500, body("api_error", "x"), K.UPSTREAM_ERROR, 500),
        (502, b"<html>bad gateway</html>", K.UPSTREAM_ERROR, 502),
        (503, b"busy", K.OVERLOADED, 503),
        (504, body("timeout_error", "x"), K.UPSTREAM_TIMEOUT, 504),
        (529, body("overloaded_error", "Overloaded"), K.OVERLOADED, 529),
        (
            400,
            body("invalid_request_error", "prompt is too long: 210 tokens > 200 maximum"),
            K.CONTEXT_LENGTH,
            400,
        ),
        (500, b"", K.UPSTREAM_ERROR, 500),
        (400, b'{"error": "a string"}', K.BAD_REQUEST, 400),
        (400, b"[1]", K.BAD_REQUEST, 400),
    ],
)
def test_what_an_upstream_says(code: int, raw: bytes, kind: K, kept: int) -> None:
    found = parse_error(code, raw)
    assert (found.kind, found.status) == (kind, kept)
    assert found.public
    assert "<html>" not in found.public


def test_words_numbers_and_code_are_kept() -> None:
    long = parse_error(
        400, body("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
    )
    assert long.tokens == (210000, 200000)
    limited = parse_error(
        429, body("rate_limit_error", "x" * 9999, details={"error_code": "enforced_spend_limit_reached"})
    )
    assert (limited.code, len(limited.public)) == ("enforced_spend_limit_reached", 2000)
    assert parse_error(400, b'{"error": {"message": "m", "code": 400}}').code is None


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ((210, 200), "prompt is too long: 210 tokens > 200 maximum (does not fit)"),
        ((None, 200), "prompt is too long: does not fit"),
        ((None, None), "prompt is too long: does not fit"),
    ],
)
def test_a_prompt_that_is_too_long(told: tuple[int | None, int | None], text: str) -> None:
    ours = PointsmanError(K.CONTEXT_LENGTH, "does not fit", tokens=told)
    found = json.loads(error(ours, "req_1"))
    assert found == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": text},
        "request_id": "req_1",
    }
    assert json.loads(stream_error(ours, "req_1").split(b"data: ")[1]) == found


def test_the_vendors_own_wording_stays_as_it_is() -> None:
    text = "prompt is too long: 210 tokens > 200 maximum"
    ours = PointsmanError(K.CONTEXT_LENGTH, text, tokens=(210, 200))
    assert json.loads(error(ours, "r"))["error"]["message"] == text


@pytest.mark.parametrize(
    ("kind", "code"),
    [(K.OVERLOADED, 529), (K.BILLING, 402), (K.INVALID, 400), (K.RATE_LIMITED, 429), (K.UPSTREAM_ERROR, 502)],
)
def test_status(kind: K, code: int) -> None:
    assert DIALECTS[Protocol.ANTHROPIC_MESSAGES].status(PointsmanError(kind, "x")) == code
