"""providers.unknown_paths: an unknown path is told from an unknown model, whatever the server's status."""

from __future__ import annotations

import pytest

from pointsman.providers.unknown_paths import says_unknown_path


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
    assert says_unknown_path(status, body) is unknown
