"""The usage log in its file: blocks of records, the dimensions they name, and sums an hour.

A batch is one block, one insert. Its sums wait in memory, and are folded into `hourly` every ten seconds together with
`folded`, the number of the last block that they hold: after a crash the sums of later blocks are made again from the
blocks. Small blocks become large ones meanwhile. Not here: the tables (usage_tables.py), sums (usage_adding.py), filters
and pages (usage.py), a block's inside (usage_columns.py), transactions (sqlite.py).
"""

from __future__ import annotations

import logging
import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...ledger.blocks import (
    DIMENSIONS,
    LARGEST,
    SUMMED,
    Columns,
    UsageBlock,
    block_of,
    spans,
    storable,
    storable_value,
)
from .usage_adding import Pending, pending_of
from .usage_columns import PACKED, PLAIN, Block, Damaged, pack, sealed, zipped
from .usage_days import Days, hours_of, take_out_hours

log = logging.getLogger("pointsman.control")

LARGE = 2048
"""Records of a large block."""
ENOUGH = LARGE // 4
"""A block of so many is not made larger any more, which is ten times the work of compressing it."""
MANY_BLOCKS = 64
"""So many small blocks are made into large ones."""
SMALL = 128
"""Records of a block, on average, below which that is done while more come in, too."""
MOST_DIMENSIONS = 50_000
"""Dimensions remembered, about 20 MB; as many sessions, about 8 MB."""

_encode = msgspec.msgpack.Encoder().encode
_decode_dims = msgspec.msgpack.Decoder(list[int]).decode
_decode_kind = msgspec.msgpack.Decoder(tuple[Any, ...]).decode
_decode_columns = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_counts = msgspec.msgpack.Decoder(list[int | None]).decode
_decode_sessions = msgspec.msgpack.Decoder(tuple[list[str | None], list[int]]).decode
_decode_times = msgspec.msgpack.Decoder(bytes).decode

_UNKNOWN: list[int | None] = [None]
_NO_SESSIONS: tuple[list[str | None], list[int]] = ([None], [0])
_LATER = ("", None)
"""Client and flag of a kind that a process of an earlier version made."""
_ADD_DIMENSION = (
    f"INSERT OR IGNORE INTO dimension ({', '.join(DIMENSIONS)}, packed)"  # noqa: S608
    f" VALUES ({', '.join('?' * (len(DIMENSIONS) + 1))})"
)


class UsageLog:
    """What is remembered of one open file. Each method is called within a transaction of it, and what it remembers anew
    is given back and taken over by `keep` once that is committed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Of a file whose tables are there: what a crash left unfolded is summed up."""
        self._dims: dict[bytes, int] = {}  # by their kind
        self._sessions: dict[str, int] = {}  # by their name
        self.pending = Pending()
        self.days = Days()
        (folded,) = connection.execute("SELECT block FROM folded").fetchone()
        rows = connection.execute("SELECT id, records, body FROM block WHERE id > ?", (folded,))
        for number, records, body in rows.fetchall():
            try:
                block = Block(body, records)
            except Damaged:
                log.error(
                    "block %s of the usage log is damaged; no sum holds its %s records", number, records
                )
                continue
            summed = [block.values(name) for name in SUMMED]
            sessions = self.session_numbers(connection, block.sessions())
            times = min(block.at), max(block.at)
            self.pending.add(pending_of(block.at, times, block.dims, summed, sessions))

    def add(self, connection: sqlite3.Connection, given: UsageBlock, form: int = PLAIN) -> Pending:
        """One block, whose ids are new."""
        numbers, dims, columns, sums = self._looked_at(connection, given)
        if sums.largest() > LARGEST:
            given = block_of(map(storable, given.read()))
            numbers, dims, columns, sums = self._looked_at(connection, given)
        times = given.first_at, given.last_at
        put(connection, given.records, given.spans, numbers, times, sealed(columns, dims, form))
        return sums

    def _looked_at(
        self, connection: sqlite3.Connection, given: UsageBlock
    ) -> tuple[list[int], list[int], dict[str, msgspec.Raw], Pending]:
        """Its dimensions, that of each record (one where all are alike), its columns still packed, and its sums."""
        numbers = self._numbers(connection, given.kinds)
        dims = numbers if len(given.which) == 1 else [numbers[kind] for kind in given.which]
        columns = _decode_columns(given.columns)
        summed = [
            _decode_counts(columns[name]) if name in columns else _UNKNOWN for name in SUMMED
        ]  # an older process has fewer
        at = array("d", _decode_times(columns["at"]))
        names, which = _decode_sessions(columns["session"]) if "session" in columns else _NO_SESSIONS
        known = self.session_numbers(connection, names)
        sessions = known if len(which) == 1 else [known[one] for one in which]
        sums = pending_of(at, (given.first_at, given.last_at), dims, summed, sessions)
        return numbers, dims, columns, sums

    def keep(self, sums: Pending) -> None:
        self.pending.add(sums)

    def forget(self) -> None:
        """What was numbered in a transaction that failed, or is in the file no more."""
        self._dims.clear()
        self._sessions.clear()

    def fold(self, connection: sqlite3.Connection, small: Sequence[int] = ()) -> None:
        """What is pending into `hourly`, where it is once that is committed, and these blocks into large ones: together,
        so that `folded` names the last block of all, and no sum is made again from a block that was merged."""
        self.pending.write(connection)
        if take_out_hours(connection, hours_of(self.pending)):
            self.days.changed()
        if small:
            self._merge(connection, small)
        connection.execute("UPDATE folded SET block = (SELECT ifnull(max(id), block) FROM block)")

    def small_blocks(self, connection: sqlite3.Connection, *, idle: bool) -> tuple[list[int], bool]:
        """Blocks that are worth being merged now, and whether there may be more of them."""
        found = connection.execute(
            f"SELECT id, records FROM block WHERE NOT large ORDER BY id LIMIT {4 * MANY_BLOCKS}"  # noqa: S608
        ).fetchall()
        records = sum(count for _, count in found)
        if len(found) < MANY_BLOCKS and not (idle and records >= LARGE):
            return [], False
        if not idle and records >= SMALL * len(found):
            return [], False
        taken, left = [], 4 * LARGE
        for number, count in found:
            taken.append(number)
            left -= count
            if left <= 0:
                break
        return taken, len(taken) < len(found) or len(found) == 4 * MANY_BLOCKS

    def _merge(self, connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
        merged: dict[str, list[Any]] = {}
        dims: list[int] = []
        for number in numbers:
            records, body = connection.execute(
                "SELECT records, body FROM block WHERE id = ?", (number,)
            ).fetchone()
            try:
                if records >= ENOUGH:
                    connection.execute(
                        "UPDATE block SET large = 1, body = ? WHERE id = ?", (zipped(body), number)
                    )
                    continue
                block = Block(body, records)
            except Damaged:  # left as it is, and told by whoever reads it
                connection.execute("UPDATE block SET large = 1 WHERE id = ?", (number,))
                continue
            dims += block.dims
            for name, column in block.columns().items():
                merged.setdefault(name, []).extend(column)
            connection.execute("DELETE FROM span WHERE block = ?", (number,))
            connection.execute("DELETE FROM block WHERE id = ?", (number,))
        keys = list(zip(merged.get("at", ()), merged.get("id", ()), strict=True))
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for start in range(0, len(order), LARGE):
            piece = order[start : start + LARGE]
            columns: Columns = {name: [column[one] for one in piece] for name, column in merged.items()}
            some, at = [dims[one] for one in piece], columns["at"]
            body = pack(columns, some, PACKED)
            ids = spans(columns["id"])
            put(connection, len(piece), ids, some, (at[0], at[-1]), body, large=len(piece) >= ENOUGH)

    def _numbers(self, connection: sqlite3.Connection, kinds: Sequence[bytes]) -> list[int]:
        """Of each kind, the number of its dimension, which is made where there is none."""
        known = self._dims
        lacking = [kind for kind in kinds if kind not in known]
        if lacking and len(known) > MOST_DIMENSIONS:
            known.clear()
            lacking = [*kinds]
        for kind in lacking:
            values = [storable_value(value) for value in (*_decode_kind(kind), *_LATER)[: len(DIMENSIONS)]]
            packed = _encode(values)
            connection.execute(_ADD_DIMENSION, (*values, packed))
            row = connection.execute("SELECT id FROM dimension WHERE packed = ?", (packed,)).fetchone()
            known[kind] = row[0]
        return [known[kind] for kind in kinds]

    def session_numbers(
        self, connection: sqlite3.Connection, names: Sequence[str | None]
    ) -> list[int | None]:
        """Of each session, its number, which is made where there is none."""
        known = self._sessions
        if len(known) > MOST_DIMENSIONS:
            known.clear()
        for name in {*names}:
            if name is not None and name not in known:
                connection.execute("INSERT OR IGNORE INTO session (name) VALUES (?)", (name,))
                row = connection.execute("SELECT id FROM session WHERE name = ?", (name,)).fetchone()
                known[name] = row[0]
        return [None if name is None else known[name] for name in names]


def put(
    connection: sqlite3.Connection,
    records: int,
    ids: Sequence[tuple[str, str, str]],
    dims: Iterable[int],
    times: tuple[float, float],
    body: bytes,
    *,
    large: bool = False,
) -> None:
    """A block and what it can be found by. ids: their spans. times: of its oldest and its newest record."""
    number = connection.execute(
        "INSERT INTO block (records, first_at, last_at, large, dims, body) VALUES (?, ?, ?, ?, ?, ?)",
        (records, *times, large, _encode(sorted(set(dims))), body),
    ).lastrowid
    connection.executemany("INSERT INTO span VALUES (?, ?, ?, ?)", [(*span, number) for span in ids])


def blocks_with(
    connection: sqlite3.Connection, ids: Sequence[str], *, attempts: bool = False
) -> list[tuple[int, int, bytes]]:
    """(number, records, body) of each block that may hold one of these ids. attempts: or an attempt of one, whose id
    begins with it."""
    found: dict[int, tuple[int, int, bytes]] = {}
    for head, first, last in spans(ids):
        rows = connection.execute(
            "SELECT id, records, body FROM block WHERE id IN"
            " (SELECT block FROM span WHERE head = ? AND first <= ? AND last >= ?)",
            (head, last + "/:" if attempts else last, first),
        )
        found.update((row[0], row) for row in rows.fetchall())
    return list(found.values())


def dims_of(raw: bytes) -> list[int]:
    """The dimensions that a block names."""
    return _decode_dims(raw)


def dimensions(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    """Their values, in the order of DIMENSIONS."""
    wanted = sorted(set(numbers))
    found: dict[int, tuple[Any, ...]] = {}
    for start in range(0, len(wanted), 500):
        some = ", ".join(map(str, wanted[start : start + 500]))
        for number, packed in connection.execute(f"SELECT id, packed FROM dimension WHERE id IN ({some})"):  # noqa: S608
            found[number] = tuple(msgspec.msgpack.decode(packed))
    if len(found) < len(wanted):
        raise Damaged
    return found
