"""A block: usage records of a batch, or of several, as one blob with a column a field. Pure.

A block is CRC-32 (4 bytes), format (1 byte) and a msgpack map from a field's name to its column. Fields
may be added: a block that lacks one has its default. What most records have in common stands
in a dimension, of which a block has the number only. Not here: where blocks and dimensions are kept (usage_log.py).
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ...ledger.records import UsageRecord

DIMENSIONS: Final = (
    "protocol", "path", "model", "target", "fallback", "status", "outcome", "key_id", "mapping_id",
)  # fmt: skip
"""Fields by which requests are alike: one row of them is shared by all records that have the same. Beside them stands
`own`: does the record stand for its request?"""
TOKENS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
MAX_TEXT: Final = 512
"""Characters of a text."""
HEAD: Final = 14
"""Characters that the ids of one process have in common (gateway/data_plane.py)."""

PLAIN: Final = 1
"""Format of a block as it came."""
PACKED: Final = 2
"""The same, its map by zlib."""

_FIELDS = UsageRecord.__struct_fields__
_VALUES = ("stream", "attempts", "attempt", "joined", *TOKENS)
MILLISECONDS: Final = ("first_output_ms", "total_ms")
_DEFAULTS = UsageRecord.__struct_defaults__
_DEFAULT = dict(zip(_FIELDS[len(_FIELDS) - len(_DEFAULTS) :], _DEFAULTS, strict=True))
_NAN = float("nan")
_TAIL = 8
_DOUBLE = struct.Struct("=d")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode

Columns = dict[str, Sequence[Any]]


class Damaged(Exception):
    """A block is not what was written."""


class Odd(Exception):
    """Among the records is a text or a count that the file does not take."""


def columns_of(records: Sequence[UsageRecord]) -> Columns:
    """The records' fields, one column each, and `own`. There must be one record at least."""
    found: Columns = dict(zip(_FIELDS, zip(*map(msgspec.structs.astuple, records), strict=True), strict=True))
    ids, requests = found["id"], found["request"]
    if ids == requests:
        found["own"] = [True] * len(ids)
    else:
        found["own"] = [not request or request == name for name, request in zip(ids, requests, strict=True)]
    return found


def pack(columns: Columns, dims: Sequence[int], form: int = PLAIN) -> bytes:
    """The block. dims: of each record, the number of its dimension. Raises Odd."""
    ids, requests = columns["id"], columns["request"]
    apart: Sequence[str | None] = [None]
    if ids != requests:
        apart = [None if one == name else one for name, one in zip(ids, requests, strict=True)]
        if max(map(len, requests)) > MAX_TEXT:
            raise Odd
    found: dict[str, Any] = {
        "dim": _folded(dims),
        "id": _texts(ids),
        "at": array("d", columns["at"]).tobytes(),
        "request": _folded(apart),
    }
    for name in _VALUES:
        found[name] = _folded(columns[name])
    for name in MILLISECONDS:
        values = columns[name]
        try:
            found[name] = array("d", values).tobytes()
        except TypeError:
            if values.count(None) < len(values):
                found[name] = array("d", [_NAN if one is None else one for one in values]).tobytes()
    try:
        body = _encode(found)
    except (OverflowError, UnicodeEncodeError) as error:
        raise Odd from error
    if form == PACKED:
        body = zlib.compress(body)
    body = bytes((form,)) + body
    return zlib.crc32(body).to_bytes(4, "big") + body


class Block:
    """What a block holds. Raises Damaged when it is not what was written."""

    def __init__(self, raw: bytes, records: int) -> None:
        body = raw[5:]
        if zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "big") or raw[4] not in (PLAIN, PACKED):
            raise Damaged
        try:
            self._columns = _decode(zlib.decompress(body) if raw[4] == PACKED else body)
            self.records = records
            self.at: Sequence[float] = array("d", self._columns["at"])
            self.dims: Sequence[int] = self.values("dim")
            self._heads, self._which, self._tails = self._columns["id"]
        except (msgspec.MsgspecError, zlib.error, KeyError, ValueError) as error:
            raise Damaged from error
        if len(self.at) != records or len(self.dims) != records:
            raise Damaged

    def values(self, name: str) -> Sequence[Any]:
        """A column of plain values."""
        column: list[Any] = self._columns.get(name, [_DEFAULT.get(name)])
        return column if len(column) == self.records else column * self.records

    def id(self, index: int) -> str:
        which = self._which[index if len(self._which) > 1 else 0]
        tails = self._tails
        tail = tails[index * _TAIL : (index + 1) * _TAIL] if isinstance(tails, str) else tails[index]
        return str(self._heads[which] + tail)

    def ids(self) -> list[str]:
        which, tails = self._which, self._tails
        if len(which) == 1 and isinstance(tails, str):
            head = self._heads[which[0]]
            return [head + tails[at : at + _TAIL] for at in range(0, len(tails), _TAIL)]
        return [self.id(index) for index in range(self.records)]

    def columns(self) -> Columns:
        """What `pack` takes of them, beside their dimensions."""
        ids, requests = self.ids(), self.values("request")
        found: Columns = {"id": ids, "at": self.at, "request": ids}
        if requests.count(None) < len(requests):
            pairs = zip(ids, requests, strict=True)
            found["request"] = [name if request is None else request for name, request in pairs]
        for name in _VALUES:
            found[name] = self.values(name)
        for name in MILLISECONDS:
            raw = self._columns.get(name)
            found[name] = [None] * self.records if raw is None else [_known(one) for one in array("d", raw)]
        return found

    def record(self, index: int, dimension: tuple[Any, ...]) -> UsageRecord:
        """One of them."""
        name = self.id(index)
        found: dict[str, Any] = dict(zip(DIMENSIONS, dimension, strict=False))
        for column in ("request", *_VALUES):
            values = self._columns.get(column, [_DEFAULT.get(column)])
            found[column] = values[index if len(values) > 1 else 0]
        for column in MILLISECONDS:
            raw = self._columns.get(column)
            found[column] = _known(_DOUBLE.unpack_from(raw, 8 * index)[0]) if raw is not None else None
        if found["request"] is None:
            found["request"] = name
        return UsageRecord(id=name, at=self.at[index], **found)


def _known(value: float) -> float | None:
    return None if value != value else value


def _folded(values: Sequence[Any]) -> Sequence[Any]:
    """One value where all are alike."""
    if values[0] != values[-1] or values.count(values[0]) != len(values):
        return values
    return values[:1]


def _texts(ids: Sequence[str]) -> tuple[list[str], Sequence[int], str | list[str]]:
    """(different beginnings, which one each has, what follows): in one text where that is as long as our own ids are."""
    head, joined = ids[0][:HEAD], "\n".join(ids)
    # of one process: its beginning is taken off without a loop, and what is left must be lines of equal length
    lines = joined.replace("\n" + head, "\n")[len(head) :]
    text, between = lines.replace("\n", ""), "\n" * (len(ids) - 1)
    whole = len(text) == _TAIL * len(ids) and len(joined) == len(text) + len(head) * len(ids) + len(between)
    if whole and lines[_TAIL :: _TAIL + 1] == between:
        return [head], [0], text
    if max(map(len, ids)) > MAX_TEXT:
        raise Odd
    heads: dict[str, int] = {}
    which = [heads.setdefault(name[:HEAD], len(heads)) for name in ids]
    tails = [name[HEAD:] for name in ids]
    alike = all([len(tail) == _TAIL for tail in tails])
    return list(heads), _folded(which), "".join(tails) if alike else tails
