"""A block as it lies in the usage log: CRC-32 (4 bytes), format (1 byte) and a msgpack map from a field's name to its
column. Pure.

Beside the columns of ledger/blocks.py stands `dim`, the number of each record's kind in the file, where kinds are rows
and are called dimensions. Fields may be added: a block that lacks one has its default. Not here: where blocks and
dimensions are kept (usage_log.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ...ledger.blocks import ColumnReader, Columns, Odd, folded, packed

PLAIN: Final = 1
"""Format of a block as it came."""
PACKED: Final = 2
"""The same, its map by zlib."""
_LEVEL: Final = 1
"""Of zlib: the usual one takes three times as long for 3 % less."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Damaged(Exception):
    """A block is not what was written."""


def pack(columns: Columns, dims: Sequence[int], form: int = PLAIN) -> bytes:
    """The block. dims: of each record, the number of its dimension. Raises Odd."""
    try:
        return sealed(packed(columns), folded(dims), form)
    except (OverflowError, UnicodeEncodeError) as error:
        raise Odd from error


def sealed(columns: Mapping[str, Any], dims: Sequence[int], form: int) -> bytes:
    """The same of columns that are packed already; their values may be bytes of msgpack."""
    body: bytes = _encode({"dim": dims, **columns})
    return _whole(form, zlib.compress(body, _LEVEL) if form == PACKED else body)


def zipped(raw: bytes) -> bytes:
    """The same block, PACKED, without a look at what it holds. Raises Damaged."""
    _check(raw)
    return raw if raw[4] == PACKED else _whole(PACKED, zlib.compress(raw[5:], _LEVEL))


def _whole(form: int, body: bytes) -> bytes:
    body = bytes((form,)) + body
    return zlib.crc32(body).to_bytes(4, "big") + body


def _check(raw: bytes) -> None:
    if zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "big") or raw[4] not in (PLAIN, PACKED):
        raise Damaged


class Block(ColumnReader):
    """What a block holds. Raises Damaged when it is not what was written."""

    def __init__(self, raw: bytes, records: int) -> None:
        _check(raw)
        body = raw[5:]
        try:
            super().__init__(_decode(zlib.decompress(body) if raw[4] == PACKED else body), records)
            self.dims: Sequence[int] = self.values("dim")
        except (msgspec.MsgspecError, zlib.error, KeyError, ValueError) as error:
            raise Damaged from error
        if len(self.at) != records or len(self.dims) != records:
            raise Damaged
