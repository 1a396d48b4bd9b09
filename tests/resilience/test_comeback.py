"""resilience.comeback: when a target may be asked again, in every vendor's form; never negative, never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.resilience.comeback import Comeback, comeback, retry_after

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
OPENAI = [
    (b"x-ratelimit-remaining-requests", b"59"),
    (b"x-ratelimit-reset-requests", b"1s"),
    (b"x-ratelimit-remaining-tokens", b"0"),
    (b"x-ratelimit-reset-tokens", b"1m30s"),
]
ANTHROPIC = [
    (b"anthropic-ratelimit-requests-remaining", b"0"),
    (b"anthropic-ratelimit-requests-reset", b"2027-01-15T08:00:20Z"),
    (b"anthropic-ratelimit-tokens-remaining", b"5000"),
    (b"anthropic-ratelimit-tokens-reset", b"2027-01-15T08:05:00Z"),
]
RETRY_INFO = (
    b'[{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo",'
    b'"retryDelay": "34.5s"}]}}]'
)


@pytest.mark.parametrize(
    ("headers", "body", "seconds", "sure"),
    [
        (OPENAI, b"", 90.0, True),
        (ANTHROPIC, b"", 20.0, True),
        ([*OPENAI, (b"retry-after", b"3")], b"", 3.0, True),
        ([], RETRY_INFO, 34.5, True),
        ([], b'{"error":{"message":"Rate limit reached. Please try again in 1m2.5s. Visit ..."}}', 62.5, True),
        ([], b'{"error":{"message":"Please retry in 250ms."}}', 0.25, True),
        ([(b"x-ratelimit-reset-requests", b"2s"), (b"x-ratelimit-reset-tokens", b"9s")], b"", 2.0, True),
        ([(b"x-ratelimit-remaining-tokens", b"12"), (b"x-ratelimit-reset-tokens", b"7s")], b"", 7.0, False),
        ([(b"x-ratelimit-reset", b"1800000042")], b"", 42.0, True),
        ([(b"x-ratelimit-reset", b"1800000042000")], b"", 42.0, True),
        ([(b"x-ratelimit-reset", b"1700000000")], b"", 0.0, True),
        ([(b"ratelimit-reset", b"17")], b"", 17.0, True),
        ([(b"anthropic-ratelimit-unified-reset", b"1800000009")], b"", 9.0, True),
        # against the answer's own clock, which is 100 s ahead of ours
        ([(b"date", b"Fri, 15 Jan 2027 08:01:40 GMT"), (b"x-ratelimit-reset", b"1800000110")], b"", 10.0, True),
    ],
)  # fmt: skip
def test_a_429_tells_when_in_every_vendors_form(
    headers: list[tuple[bytes, bytes]], body: bytes, seconds: float, sure: bool
) -> None:
    assert comeback(headers, body, NOW) == Comeback(pytest.approx(seconds), sure)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", [b"soon", b"-5", b"nan", b"inf", b"5 parsecs", b"", b"\xff", b"2027-99-99T00:00:00Z"]
)
def test_what_cannot_be_read_says_nothing(value: bytes) -> None:
    assert comeback([(b"x-ratelimit-reset-requests", value)], b"no time here", NOW) is None


def test_a_date_is_read_against_the_answers_own_date() -> None:
    """A server an hour behind said "in ten seconds", and was asked again at once; one an hour ahead was left for an hour."""
    for ours in (NOW - 3600.0, NOW, NOW + 3600.0):
        headers = [
            (b"date", b"Fri, 15 Jan 2027 08:00:00 GMT"),
            (b"retry-after", b"Fri, 15 Jan 2027 08:00:10 GMT"),
        ]
        assert retry_after(headers, ours) == 10.0
    assert retry_after([(b"date", b"nonsense"), headers[1]], NOW) == 10.0


HEADER = st.sampled_from(
    [name for name, _ in (*OPENAI, *ANTHROPIC)] + [b"retry-after", b"retry-after-ms", b"date"]
)


@given(st.lists(st.tuples(HEADER, st.binary(max_size=40)), max_size=8), st.binary(max_size=200))
def test_whatever_is_said_is_never_negative_and_never_an_exception(
    headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    found = comeback(headers, body, NOW)
    assert found is None or 0.0 <= found.seconds < 1e12
