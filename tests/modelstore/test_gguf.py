"""Heads of GGUF files: what was written is read, and whatever else a file holds is told in words, soon."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.modelstore.gguf import BadGguf, read_head
from tests.engines_real.gguf_of import TINY, head, write

NUMBERS = st.integers(0, 2**31 - 1)
VALUES = st.one_of(
    st.booleans(),
    NUMBERS,
    st.floats(width=32, allow_nan=False),
    st.text(max_size=20),
    st.lists(NUMBERS, max_size=5),
    st.lists(st.text(max_size=5), min_size=1, max_size=5),
)
HEADS = st.dictionaries(st.text(max_size=12), VALUES, max_size=8)


def seen(values: dict[str, Any]) -> dict[str, Any]:
    """What the reader keeps: no lists of texts."""
    kept = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return {
        key: value
        for key, value in kept.items()
        if not (isinstance(value, tuple) and value and isinstance(value[0], str))
    }


@settings(max_examples=40, deadline=None)
@given(HEADS, st.binary(max_size=20))
def test_what_was_written_is_read(values: dict[str, Any], behind: bytes) -> None:
    assert read_head(io.BytesIO(head(values) + behind)) == seen(values)


@settings(deadline=None)
@given(HEADS, st.data())
def test_a_file_that_ends_inside_its_head_is_told(values: dict[str, Any], data: st.DataObject) -> None:
    whole = head(values)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadGguf, match="cut off"):
        read_head(io.BytesIO(whole[:cut]))


@settings(deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_whatever_it_holds_it_is_a_head_or_told(data: bytes, like_one: bool) -> None:
    try:
        read_head(io.BytesIO((b"GGUF\x03\0\0\0" if like_one else b"") + data))
    except BadGguf:
        pass


def test_no_claim_is_believed_beyond_its_bound() -> None:
    begin = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)
    key = struct.pack("<Q", 1) + b"k"
    for claims in (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
        begin + struct.pack("<Q", 2**62),
        begin + key + struct.pack("<IQ", 8, 2**62),
        begin + key + struct.pack("<IIQ", 9, 4, 2**62),
        begin + key + struct.pack("<IIQ", 9, 9, 2),
        begin + key + struct.pack("<I", 99),
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        b"<!DOCTYPE html>" + bytes(40),
    ):
        with pytest.raises(BadGguf):
            read_head(io.BytesIO(claims))


def test_of_a_real_model_its_shape_is_read(tmp_path: Any) -> None:
    path = tmp_path / "tiny.gguf"
    write(TINY, path)
    with path.open("rb") as file:
        found = read_head(file)
    assert (found["general.architecture"], found["llama.context_length"], found["llama.block_count"]) == (
        "llama",
        4096,
        2,
    )
