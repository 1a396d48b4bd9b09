"""resilience.verdict: what an upstream's status means, for every status there is."""

from __future__ import annotations

import pytest

from pointsman.kinds import FallbackReason
from pointsman.resilience.comeback import retry_after
from pointsman.resilience.verdict import of_status

NEXT = {
    401: FallbackReason.AUTH,
    402: FallbackReason.AUTH,
    403: FallbackReason.AUTH,
    408: FallbackReason.UPSTREAM_ERROR,
    424: FallbackReason.UPSTREAM_ERROR,
    425: FallbackReason.UPSTREAM_ERROR,
    429: FallbackReason.THROTTLED,
    500: FallbackReason.UPSTREAM_ERROR,
    502: FallbackReason.UPSTREAM_ERROR,
    503: FallbackReason.UPSTREAM_ERROR,
    504: FallbackReason.UPSTREAM_ERROR,
    529: FallbackReason.UPSTREAM_ERROR,
    **dict.fromkeys([*range(520, 528), 530], FallbackReason.UPSTREAM_ERROR),  # a content network's own
}


def test_exactly_these_leave_a_target() -> None:
    assert {status: why for status in range(100, 1000) if (why := of_status(status)) is not None} == NEXT


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422])
def test_a_clients_mistake_is_the_clients(status: int) -> None:
    assert of_status(status) is None


@pytest.mark.parametrize("status", [501, 505])
def test_what_the_backend_cannot_do_at_all_is_told(status: int) -> None:
    assert of_status(status) is None


def test_reasons_are_the_words_of_the_header() -> None:
    assert {reason.value for reason in FallbackReason} == {
        "connect", "timeout", "throttled", "upstream_error", "empty", "malformed", "auth", "budget", "stuck",
        "context", "refusal", "ability", "miss",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"7")], 7.0),
        ([(b"retry-after", b"0")], 0.0),
        ([(b"retry-after", b"1.5")], 1.5),
        ([(b"retry-after", b"30"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:01:40 GMT")], 60.0),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:00:01 GMT")], 0.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-5")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"inf")], None),
        ([(b"retry-after", b"\xff")], None),
        ([(b"retry-after", b"Thu, 99 Foo 9999 99:99:99 GMT")], None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    assert retry_after(headers, 40.0) == seconds
