"""Old usage records are taken out of the log: blocks, sums, and the names that nothing needs any more.

What budgets count is carried: tokens and money by hour, client key and backend, the hours of the last 32 days and one sum
of all before. Each function is called within a transaction. Not here: how the file becomes smaller (usage.py).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from ...ledger.blocks import SUMMED, Columns, full, spans
from .usage_adding import HOUR, Pending, hour_of, pending_of
from .usage_columns import PACKED, Block, Damaged, pack
from .usage_days import take_out_before
from .usage_facts import BACKEND
from .usage_log import ENOUGH, UsageLog, put

log = logging.getLogger("pointsman.control")

AT_ONCE = 32
"""Blocks that one transaction takes out; up to 65,000 records."""
LONGEST_HOURS = 32 * 24
"""Of a budget's period: a month, and a zone's offset."""
IN_ALL = -1
"""The hour that stands for all before those."""

_CARRY = f"""INSERT INTO carried (hour, key_id, backend, tokens, cost)
SELECT h.hour, ifnull(d.key_id, 0), ifnull({BACKEND}, ''),
 :sign * sum(ifnull(h.input_tokens, 0) + ifnull(h.output_tokens, 0)), :sign * sum(ifnull(h.cost, 0))
FROM hourly h JOIN dimension d ON d.id = h.dim WHERE h.hour >= :first AND h.hour <= :last GROUP BY 1, 2, 3
ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens, cost = cost + excluded.cost"""  # noqa: S608
_CARRY_ON = f"""INSERT INTO carried (hour, key_id, backend, tokens, cost)
SELECT {IN_ALL}, key_id, backend, sum(tokens), sum(cost) FROM carried WHERE hour >= 0 AND hour < :first GROUP BY 2, 3
ON CONFLICT DO UPDATE SET tokens = tokens + excluded.tokens, cost = cost + excluded.cost"""  # noqa: S608


def next_end(connection: sqlite3.Connection, before: float) -> float:
    """Up to when one transaction takes out what is older than `before`, unix seconds."""
    rows = connection.execute(
        "SELECT last_at FROM block WHERE first_at < ? ORDER BY last_at LIMIT ?", (before, AT_ONCE)
    ).fetchall()
    if len(rows) < AT_ONCE:
        return before
    return min(before, float((rows[-1][0] // HOUR + 1) * HOUR))


def delete_before(connection: sqlite3.Connection, usage: UsageLog, end: float) -> int:
    """How many records were taken out: those older than `end`. What was pending is in the file's sums, once that is
    committed."""
    usage.fold(connection)
    take_out_before(connection, end)
    deleted = _delete_blocks(connection, end)
    hour = hour_of(end)
    first, last = (-(2**62), hour - 1) if hour * HOUR == end else (-(2**62), hour)
    connection.execute(_CARRY, {"sign": 1, "first": first, "last": last})
    for table in ("hourly", "session_hourly"):
        connection.execute(f"DELETE FROM {table} WHERE hour <= ?", (last,))  # noqa: S608
    if last == hour:  # what is left of it
        _within(connection, usage, end, (hour + 1) * HOUR).write(connection)
        connection.execute(_CARRY, {"sign": -1, "first": hour, "last": hour})
    connection.execute("UPDATE folded SET block = (SELECT ifnull(max(id), block) FROM block)")
    return deleted


def forget_names(connection: sqlite3.Connection, end: float, now: float) -> None:
    """Of dimensions, sessions and answers that only older records had; and carries together what no period needs by
    the hour."""
    connection.execute("DELETE FROM dimension WHERE id NOT IN (SELECT dim FROM hourly)")
    connection.execute("DELETE FROM session WHERE id NOT IN (SELECT session FROM session_hourly)")
    connection.execute("DELETE FROM answers WHERE at < ?", (end,))
    first = {"first": hour_of(now) - LONGEST_HOURS}
    connection.execute(_CARRY_ON, first)
    connection.execute("DELETE FROM carried WHERE hour >= 0 AND hour < :first", first)


def carried(
    connection: sqlite3.Connection, key_ids: Sequence[int], backend: str | None, since: float | None
) -> tuple[int, int]:
    """(tokens, nano-dollars) of records that were taken out. since: the hour in which that lies counts as a whole."""
    wanted: list[Any] = [*key_ids] if backend is None else [backend]
    name = "key_id" if backend is None else "backend"
    hour = IN_ALL if since is None else max(hour_of(since), 0)
    row = connection.execute(
        f"SELECT ifnull(sum(tokens), 0), ifnull(sum(cost), 0) FROM carried WHERE hour >= ?"  # noqa: S608
        f" AND {name} IN ({', '.join('?' * len(wanted))})",
        (hour, *wanted),
    ).fetchone()
    return row[0], row[1]


def carried_by_key(connection: sqlite3.Connection, since: float | None) -> dict[int, tuple[int, int]]:
    """carried() of each client key that has any."""
    hour = IN_ALL if since is None else max(hour_of(since), 0)
    rows = connection.execute(
        "SELECT key_id, sum(tokens), sum(cost) FROM carried WHERE hour >= ? GROUP BY key_id", (hour,)
    )
    return {key: (tokens, cost) for key, tokens, cost in rows}


def _delete_blocks(connection: sqlite3.Connection, end: float) -> int:
    """Those that are older; of one that is older in part the rest is written anew."""
    deleted = 0
    rows = connection.execute(
        "SELECT id, records, last_at FROM block WHERE first_at < ? ORDER BY last_at", (end,)
    ).fetchall()
    for number, records, last in rows:
        kept = 0 if last < end else _keep_rest(connection, number, records, end)
        if kept < 0:
            continue
        deleted += records - kept
        connection.execute("DELETE FROM span WHERE block = ?", (number,))
        connection.execute("DELETE FROM block WHERE id = ?", (number,))
    return deleted


def _keep_rest(connection: sqlite3.Connection, number: int, records: int, end: float) -> int:
    """How many of its records are as new as that; they are in a block of their own now. -1: it cannot be read, and
    stays."""
    (body,) = connection.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
    try:
        block = Block(body, records)
    except Damaged:
        log.error("block %s of the usage log is damaged; it stays", number)
        return -1
    piece = [index for index, at in enumerate(block.at) if at >= end]
    columns: Columns = {name: [column[one] for one in piece] for name, column in block.columns().items()}
    dims, at = [block.dims[one] for one in piece], columns["at"]
    times = min(at), max(at)
    body = pack(columns, dims, PACKED)
    put(connection, len(piece), spans(columns["id"]), dims, times, body, large=len(piece) >= ENOUGH)
    return len(piece)


def _within(connection: sqlite3.Connection, usage: UsageLog, since: float, until: float) -> Pending:
    """The sums of what the blocks have between these times, which lie in one hour."""
    made = Pending()
    rows = connection.execute(
        "SELECT records, body FROM block WHERE last_at >= ? AND first_at < ?", (since, until)
    )
    for records, body in rows.fetchall():
        try:
            block = Block(body, records)
        except Damaged:
            continue
        piece = [index for index, at in enumerate(block.at) if since <= at < until]
        if not piece:
            continue
        names = full(block.sessions(), records)
        made.add(
            pending_of(
                [block.at[one] for one in piece],
                (since, since),
                [block.dims[one] for one in piece],
                [[column[one] for one in piece] for column in map(block.values, SUMMED)],
                usage.session_numbers(connection, [names[one] for one in piece]),
            )
        )
    return made
