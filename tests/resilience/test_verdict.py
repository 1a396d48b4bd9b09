"""resilience.verdict: what an upstream's status means, for every status there is."""

from __future__ import annotations

import pytest

from pointsman.kinds import FallbackReason
from pointsman.resilience.verdict import of_status

NEXT = {
    401: FallbackReason.AUTH,
    402: FallbackReason.AUTH,
    403: FallbackReason.AUTH,
    429: FallbackReason.THROTTLED,
    500: FallbackReason.UPSTREAM_ERROR,
    502: FallbackReason.UPSTREAM_ERROR,
    503: FallbackReason.UPSTREAM_ERROR,
    504: FallbackReason.UPSTREAM_ERROR,
    529: FallbackReason.UPSTREAM_ERROR,
}


def test_exactly_these_leave_a_target() -> None:
    assert {status: why for status in range(100, 1000) if (why := of_status(status)) is not None} == NEXT


@pytest.mark.parametrize("status", [400, 404, 405, 408, 409, 413, 415, 422])
def test_a_clients_mistake_is_the_clients(status: int) -> None:
    assert of_status(status) is None


@pytest.mark.parametrize("status", [501, 505])
def test_what_the_backend_cannot_do_at_all_is_told(status: int) -> None:
    assert of_status(status) is None


def test_reasons_are_the_words_of_the_header() -> None:
    assert {reason.value for reason in FallbackReason} == {
        "connect", "timeout", "throttled", "upstream_error", "empty", "malformed", "auth",
    }  # fmt: skip
