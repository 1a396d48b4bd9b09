"""Content codings: whatever a compressor wrote comes back, however it was cut; a bomb takes no memory."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable
from importlib import import_module
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.wire.coding import MAX_MEMBERS, PIECE, CodingError, decoded, decoder

try:
    from backports import zstd
except ImportError:  # the standard library has it
    from compression import zstd  # type: ignore[import-not-found,no-redef]


def raw_deflate(data: bytes) -> bytes:
    one = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return one.compress(data) + one.flush()


WAYS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"X-GZIP": gzip.compress,
    b"deflate": zlib.compress,
    b"deflate ": raw_deflate,
    b"gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    b"identity": lambda data: data,
    b"gzip,identity": gzip.compress,
}
ways = pytest.mark.parametrize("codings", list(WAYS))


def fed(codings: bytes, data: bytes, step: int) -> tuple[bytes, bool]:
    one = decoder(codings)
    assert one is not None
    cut = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(piece for part in cut for piece in one.feed(part)), one.whole


@ways
@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=3000), step=st.integers(1, 400))
def test_what_was_compressed_comes_back_however_it_is_cut(codings: bytes, data: bytes, step: int) -> None:
    coded = WAYS[codings](data)
    assert fed(codings, coded, step) == (data, True)
    assert decoded(codings, coded, 10_000) == data


@ways
def test_large_answers_come_in_pieces(codings: bytes) -> None:
    data = bytes(range(256)) * 8000
    assert fed(codings, WAYS[codings](data), 5000) == (data, True)


def test_members_after_each_other_and_zeros_after_the_last() -> None:
    coded = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0\0"
    for step in (1, 7, 1000):
        assert fed(b"gzip", coded, step) == (b"one two", True)


def test_every_event_comes_as_soon_as_it_was_flushed() -> None:
    press, one = zlib.compressobj(wbits=16 + zlib.MAX_WBITS), decoder(b"gzip")
    assert one is not None
    for number in range(5):
        event = b"data: %d\n\n" % number
        sent = press.compress(event) + press.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(one.feed(sent)) == event
        assert not one.whole
    assert b"".join(one.feed(press.flush())) == b""
    assert one.whole


@pytest.mark.parametrize("codings", [b"gzip", b"deflate", b"gzip, deflate"])
def test_a_cut_is_seen_wherever_it_is(codings: bytes) -> None:
    coded = WAYS[codings](b"half an answer is none" * 20)
    for at in range(1, len(coded)):
        assert not fed(codings, coded[:at], at)[1]
        with pytest.raises(CodingError, match="cut"):
            decoded(codings, coded[:at], 10_000)


@pytest.mark.parametrize(
    ("codings", "data"),
    [(b"gzip", b'{"choices": []}'), (b"gzip", b"\x1f\x8b\x08 nonsense"), (b"deflate", b"x\x9c nonsense"), (b"deflate", b"\xff\xff\xff")],
)  # fmt: skip
def test_what_is_not_of_that_coding_is_an_error(codings: bytes, data: bytes) -> None:
    with pytest.raises(CodingError):
        decoded(codings, data, 10_000)


def test_damage_in_the_middle_is_an_error() -> None:
    coded = bytearray(gzip.compress(bytes(range(256)) * 40))
    coded[-6] ^= 1  # its checksum
    with pytest.raises(CodingError):
        decoded(b"gzip", bytes(coded), 100_000)


@pytest.mark.parametrize("codings", [b"compress", b"gzip, secret", b"dcb", b"gzip,gzip,gzip,gzip"])
def test_what_nobody_here_can_undo(codings: bytes) -> None:
    assert decoder(codings) is None
    with pytest.raises(CodingError):
        decoded(codings, b"", 1)


@pytest.mark.parametrize("codings", [b"gzip", b"deflate", b"gzip, gzip"])
def test_a_bomb_takes_no_memory(codings: bytes) -> None:
    data = (
        gzip.compress(b"\0" * 60_000_000, 9)
        if codings != b"deflate"
        else zlib.compress(b"\0" * 60_000_000, 9)
    )
    data = gzip.compress(data, 9) if codings == b"gzip, gzip" else data
    tracemalloc.start()
    try:
        with pytest.raises(OverflowError):
            decoded(codings, data, 1_000_000)
        one = decoder(codings)
        assert one is not None
        assert all(len(piece) <= PIECE for piece in islice(one.feed(data), 100))
        assert tracemalloc.get_traced_memory()[1] < len(data) + 4_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("codings", "library", "press"),
    [
        (b"br", "brotli", "compress"), (b"zstd", "backports.zstd", "compress"), (b"zstd", "compression.zstd", "compress"),
    ],
)  # fmt: skip
def test_codings_of_libraries_where_they_are_there(codings: bytes, library: str, press: str) -> None:
    try:
        compress = getattr(import_module(library), press)
    except ImportError:
        pytest.skip(f"{library} is not there")
    data = b"".join(b"data: {%d}\n\n" % number for number in range(30_000))
    coded = compress(data)
    for step in (1000, len(coded)):
        assert fed(codings, coded, step) == (data, True)
    assert not fed(codings, coded[:-5], 100)[1]
    with pytest.raises(CodingError):
        decoded(codings, b"\xff nonsense" * 50, 10_000)
    bomb = compress(b"\0" * 40_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(OverflowError):
            decoded(codings, bomb, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", ["gzip", "zstd"])
def test_a_body_of_a_million_empty_members_is_refused_at_once(way: str) -> None:
    """Each was cut off the rest by a copy of the rest: 450 KB took 8 s of a thread, and 32 MiB a day."""
    press = gzip.compress if way == "gzip" else zstd.compress
    began = time.process_time()
    with pytest.raises(CodingError):
        decoded(way.encode(), press(b"") * 1_000_000, 1000)
    assert time.process_time() - began < 2
    assert decoded(way.encode(), press(b"x") * MAX_MEMBERS, 10_000) == b"x" * MAX_MEMBERS


def test_what_a_bomb_in_a_bomb_becomes_on_the_way_counts_too() -> None:
    """Zeros behind a member are nothing: a gigabyte of them, compressed once more, cost 8 s and came to two bytes."""
    bomb = gzip.compress(gzip.compress(b"{}") + bytes(1_000_000))
    with pytest.raises(OverflowError):
        decoded(b"gzip, gzip", bomb, 100_000)
