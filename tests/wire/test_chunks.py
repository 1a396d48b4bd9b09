"""Where a chunk of a chunked body stands: the quick look at one that is all there is, against the careful one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.chunks import MORE, ODD, chunk_at, one_chunk
from pointsman.wire.http1 import chunk


@pytest.mark.parametrize("size", [*range(1, 40), *range(240, 300), 1023, 1024])
def test_a_chunk_by_itself_is_found_by_its_length(size: int) -> None:
    data = chunk(b"x" * size)
    assert one_chunk(data) == chunk_at(data, 0)[0] > 0


@pytest.mark.parametrize("size", [1025, 1030, 4096, 70_000])
def test_a_longer_one_is_left_to_the_careful_look(size: int) -> None:
    assert one_chunk(chunk(b"x" * size)) == 0


@given(
    st.lists(
        st.sampled_from([b"0", b"1", b"f", b"F", b"10", b"15", b"\r\n", b"\n", b"x", b";a", b" "]),
        max_size=24,
    )
)
def test_it_finds_nothing_that_the_careful_look_does_not(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    begin = one_chunk(data)
    if begin and data.endswith(b"\r\n"):
        assert chunk_at(data, 0) == (begin, len(data))


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", MORE),
        (b"1", MORE),
        (b"1\r", MORE),
        (b"1\r\nx\r", MORE),
        (b"1\r\nx\r\n", 6),
        (b"00001\r\nx\r\n2", 10),
        (b"a\r\n0123456789\r\n", 15),
        (b"0\r\n\r\n", 5),
        (b"x", ODD),
        (b"\r\n", ODD),
        (b"1;a\r\nx\r\n", ODD),
        (b"1\nx\r\n", ODD),
        (b"1\r\nxyz", ODD),
        (b"000001\r\nx\r\n", ODD),
        (b"fffff\r\n", ODD),
    ],
)
def test_where_a_chunk_ends(data: bytes, end: int) -> None:
    assert chunk_at(data, 0)[1] == end
    assert chunk_at(b"ab" + data, 2)[1] == (end + 2 if end > 0 else end)
