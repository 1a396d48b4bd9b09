"""wire.http1.ChunkedBody: every cut gives the same result, compared with a whole-text oracle and with h11."""

from __future__ import annotations

import re
import time

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.wire.http1 import BadHead, ChunkedBody, chunk

LIMIT = 1000
Outcome = tuple[bytes, bytes] | int | None
"""(body, what follows), the status of a refusal, or None while more is needed."""


def feed(pieces: list[bytes], limit: int = LIMIT) -> Outcome:
    chunked = ChunkedBody(limit)
    for number, piece in enumerate(pieces):
        try:
            done = chunked.feed(piece)
        except BadHead as error:
            return error.status
        if done is not None:
            body, rest = done
            return body, rest + b"".join(pieces[number + 1 :])
    return None


def oracle(raw: bytes, limit: int = LIMIT) -> Outcome:
    """The same by regular expressions over the whole text. None also where more could still make it right."""
    body = b""
    at = 0
    size_line = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?\r\n")
    while True:
        match = size_line.match(raw, at)
        if match is None or match.end() - 2 - at > 256:
            return None
        size = int(match[1], 16)
        if len(body) + size > limit:
            return 413
        at = match.end()
        if size == 0:
            break
        if raw[at + size : at + size + 2] != b"\r\n":
            return None
        body += raw[at : at + size]
        at += size + 2
    trailers = re.compile(rb"(?:[^\r\n]+\r\n)*\r\n").match(raw, at)
    return None if trailers is None else (body, raw[trailers.end() :])


GOOD: dict[str, tuple[bytes, bytes, bytes]] = {
    "empty": (b"0\r\n\r\n", b"", b""),
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    "several": (b"2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n", b"hello", b""),
    "hex": (b"1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n", b"x" * 26, b""),
    "upper hex": (b"1A\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n", b"x" * 26, b""),
    "leading zeros": (b"0005\r\nhello\r\n0000\r\n\r\n", b"hello", b""),
    "line ends in the data": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", b""),
    "chunks in the data": (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", b""),
    "extension": (b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n', b"hello", b""),
    "extension after space": (b"5 ; a\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    "trailers": (b"0\r\nX: y\r\nZ: w\r\n\r\n", b"", b""),
    "what follows": (b"1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", b"x", b"GET / HTTP/1.1\r\n"),
    "follows after trailers": (b"0\r\nX: y\r\n\r\n\r\n\r\n", b"", b"\r\n\r\n"),
    "longest line": (b"0;" + b"x" * 254 + b"\r\n\r\n", b"", b""),
    "longest trailers": (b"0\r\n" + b"x" * 8192 + b"\r\n\r\n", b"", b""),
    "all that is allowed": (b"3e8\r\n" + b"x" * LIMIT + b"\r\n0\r\n\r\n", b"x" * LIMIT, b""),
}
BAD: dict[str, tuple[bytes, int]] = {
    "empty size": (b"\r\nhello", 400),
    "no hex": (b"g\r\n", 400),
    "prefix": (b"0x5\r\nhello\r\n", 400),
    "sign": (b"+5\r\nhello\r\n", 400),
    "minus": (b"-5\r\nhello\r\n", 400),
    "space before": (b" 5\r\nhello\r\n", 400),
    "space after": (b"5 \r\nhello\r\n", 400),
    "underscore": (b"1_0\r\n", 400),
    "nine digits": (b"000000005\r\nhello\r\n", 400),
    "bare lf": (b"5\nhello\r\n0\r\n\r\n", 400),
    "bare lf after data": (b"5\r\nhello\n0\r\n\r\n", 400),
    "bare cr": (b"5\rhello\r\n0\r\n\r\n", 400),
    "lf in extension": (b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    "null in extension": (b"5;a\x00\r\nhello\r\n0\r\n\r\n", 400),
    "longer than its size": (b"4\r\nhello\r\n0\r\n\r\n", 400),
    "shorter than its size": (b"6\r\nhello\r\n0\r\n\r\n", 400),
    "line too long": (b"0;" + b"x" * 255 + b"\r\n\r\n", 400),
    "endless line": (b"5;" + b"x" * 5000, 400),
    "trailers too long": (b"0\r\n" + b"x" * 8193 + b"\r\n\r\n", 400),
    "endless trailers": (b"0\r\n" + b"X: y\r\n" * 5000, 400),
    "bare lf in trailers": (b"0\r\nX: y\nZ: w\r\n\r\n", 400),
    "bare lf ends trailers": (b"0\r\nX: y\n\n", 400),
    "bare cr in trailers": (b"0\r\nX: y\rZ: w\r\n\r\n", 400),
    "bare lf first in trailers": (b"0\r\n\n\r\n\r\n", 400),
    "too large": (b"3e9\r\n", 413),
    "too large together": (b"3e8\r\n" + b"x" * LIMIT + b"\r\n1\r\nx\r\n0\r\n\r\n", 413),
    "four gigabytes": (b"ffffffff\r\n", 413),
}


@pytest.mark.parametrize(("raw", "body", "rest"), GOOD.values(), ids=GOOD.keys())
def test_good_bodies_under_every_single_cut(raw: bytes, body: bytes, rest: bytes) -> None:
    assert oracle(raw) == (body, rest)
    step = 1 if len(raw) < 300 else 97
    for place in [*range(0, len(raw), step), *range(max(0, len(raw) - 8), len(raw) + 1)]:
        assert feed([raw[:place], raw[place:]]) == (body, rest), place


@pytest.mark.parametrize(("raw", "status"), BAD.values(), ids=BAD.keys())
def test_bad_bodies_under_every_single_cut(raw: bytes, status: int) -> None:
    step = 1 if len(raw) < 300 else 97
    for place in [*range(0, len(raw), step), *range(max(0, len(raw) - 8), len(raw) + 1)]:
        assert feed([raw[:place], raw[place:]]) == status, place
    assert feed([raw[i : i + 1] for i in range(len(raw))]) == status


@pytest.mark.parametrize(("raw", "body", "rest"), GOOD.values(), ids=GOOD.keys())
def test_good_bodies_byte_by_byte(raw: bytes, body: bytes, rest: bytes) -> None:
    assert feed([raw[i : i + 1] for i in range(len(raw))]) == (body, rest)


@pytest.mark.parametrize(("raw", "body", "rest"), GOOD.values(), ids=GOOD.keys())
def test_an_unfinished_body_waits(raw: bytes, body: bytes, rest: bytes) -> None:
    whole = raw[: len(raw) - len(rest)]
    for end in {0, 1, len(whole) // 2, len(whole) - 3, len(whole) - 2, len(whole) - 1}:
        assert feed([whole[: max(end, 0)]]) is None


pieces = st.lists(
    st.sampled_from(
        [
            b"0",
            b"1",
            b"2",
            b"3e8",
            b"a",
            b"\r\n",
            b"\r\n",
            b"\r\n",
            b"\r",
            b"\n",
            b";x",
            b" ",
            b"xx",
            b"0\r\n\r\n",
        ]
        + [b"1\r\nx\r\n", b"2;y\r\nxy\r\n", b"X: y\r\n"]
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(pieces, st.lists(st.integers(0, 60), max_size=4))
def test_any_cut_gives_the_same_as_the_oracle(parts: list[bytes], places: list[int]) -> None:
    raw = b"".join(parts)
    edges = sorted({0, *(min(p, len(raw)) for p in places), len(raw)})
    found = feed([raw[a:b] for a, b in zip(edges, edges[1:], strict=False)])
    expected = oracle(raw)
    assert found == feed([raw]) == feed([raw[i : i + 1] for i in range(len(raw))])
    if expected is None:  # refused, or more is needed
        assert found in (None, 400, 413)
    else:
        assert found == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 9))
def test_what_h11_writes_is_read(data: list[bytes], step: int) -> None:
    other = h11.Connection(h11.CLIENT)
    other.send(
        h11.Request(method="POST", target="/", headers=[("host", "h"), ("transfer-encoding", "chunked")])
    )
    raw = b"".join(other.send(h11.Data(data=piece)) or b"" for piece in data)
    raw += other.send(h11.EndOfMessage()) or b""
    assert feed([raw[i : i + step] for i in range(0, len(raw), step)]) == (b"".join(data), b"")


def test_one_byte_chunks_cost_linear_time() -> None:
    raw = chunk(b"x") * 200_000 + b"0\r\n\r\n"
    started = time.process_time()
    done = feed([raw], limit=1_000_000)
    assert time.process_time() - started < 2.0  # quadratic was ten times that
    assert done == (b"x" * 200_000, b"")
