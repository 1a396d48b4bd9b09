"""providers.wordings: what servers say in words is told from what looks like it."""

from __future__ import annotations

import pytest

from pointsman.providers.wordings import LOADING, SPENT, UNKNOWN_PATH, says


@pytest.mark.parametrize(
    ("status", "body", "unknown"),
    [
        (404, b"", True),
        (404, b'{"error":"Not Found"}', True),
        (405, b'{"detail":"Method Not Allowed"}', True),
        (501, b"", True),
        (404, b'{"error":{"message":"The Model `x` was not found"}}', False),
        (400, b"", False),
        (500, b'{"error":"Unexpected endpoint"}', False),
        (200, b'{"error":"Unexpected Endpoint or method. (POST /v1/messages). Returning 200 anyway"}', True),
        (200, b'{"error":"out of memory"}', False),
        (200, b" " * 500 + b"endpoint", False),
    ],
)
def test_what_says_that_a_path_is_unknown(status: int, body: bytes, unknown: bool) -> None:
    assert says(UNKNOWN_PATH, status, body) is unknown


def test_an_account_that_is_used_up_is_told_from_a_busy_one() -> None:
    assert says(SPENT, 429, b'{"error":{"code":"insufficient_quota"}}')
    assert says(SPENT, 429, b"Your credit balance is too low")
    assert not says(SPENT, 429, b'{"error":{"message":"Rate limit reached for requests"}}')
    assert not says(SPENT, 500, b'{"error":{"code":"insufficient_quota"}}')
    assert not says(SPENT, 429, b" " * 4096 + b"insufficient_quota")


def test_a_server_that_loads_its_model_says_so() -> None:
    loading = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
    assert says(LOADING, 503, loading)
    assert not says(LOADING, 500, loading)
    assert not says(LOADING, 503, b'{"error":"overloaded"}')
