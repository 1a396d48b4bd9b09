"""Sums of whole days beside those of hours, so that a month of a million records is read from a few thousand rows.

A copy, and never the truth: a day of a zone's calendar that is over is summed up once from its hours, and from the records
of the hours in which it begins and ends; a record that comes late, or a deletion within it, takes it out again. Of the last
weeks hours are kept so, too, by name alone: of them the days of a zone are made that nobody has looked at before. Each
function is called within a transaction. Not here: what is asked of the sums (usage_sums.py), hours (usage_adding.py).
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ...kinds import Per
from ...ledger.blocks import SUMMED
from ...ledger.periods import Span, own_zone, period_at, zone_of
from .usage_adding import HOUR, SUMS, Pending, Values, add_up, bounded, hour_from, hour_of, sums_of
from .usage_columns import Block, Damaged
from .usage_facts import AXES, GROUPS, SUMMED_UP, VALUES

MOST_ZONES = 3
"""Whose days are kept: this computer's, and two that were asked for last."""
HOURS = ""
"""In the place of a zone: these are hours."""
HOURS_KEPT = 35 * 24
AT_ONCE_SECONDS = 0.2
"""Of one transaction; one day at least."""

_DAY = f"records, {', '.join(SUMS)}"
_HOURS = (
    f"SELECT dim, sum(records), {', '.join(f'sum({name})' for name in SUMS)} FROM hourly"  # noqa: S608
    " WHERE hour >= ? AND hour < ? GROUP BY dim"
)
_KEEP = f"INSERT INTO daily (day, dim, {_DAY}) VALUES (?, ?{', ?' * (1 + len(SUMS))})"  # noqa: S608


def _by_name(table: str, column: str) -> dict[str, str]:
    """By axis: puts the sums of each name of it; takes the number, and which rows of the table are meant."""
    return {
        axis: f"INSERT INTO daily_by (day, axis, name, {', '.join(VALUES)}) SELECT ?, '{axis}',"  # noqa: S608
        f" {', '.join(GROUPS[axis]) or 'NULL'} AS named, {SUMMED_UP} FROM {table} h JOIN dimension d ON d.id = h.dim"
        f" WHERE h.{column} = ? GROUP BY named"
        for axis in AXES
    }


_KEEP_BY = _by_name("daily", "day")
_KEEP_HOUR = _by_name("hourly", "hour")
_COST = SUMMED.index("cost")


class KeptDay(NamedTuple):
    """A day whose sums are kept. Unix seconds: since <= at < until."""

    number: int
    since: float
    until: float


class Days:
    """Which days are summed up, and when there is something to do."""

    def __init__(self) -> None:
        self._zones: dict[str, None] = {own_zone(): None}
        self._due = 0.0  # unix seconds
        self._unread: set[tuple[str, float]] = set()  # with a damaged block, or sums that no column holds

    def ask(self, zone: str) -> None:
        """Somebody looks at the days of that zone, which there is."""
        if zone not in self._zones:
            self._due = 0.0
        self._zones[zone] = self._zones.pop(zone, None)  # the last of them
        others = [one for one in self._zones if one != own_zone()]
        for one in others[: 1 - MOST_ZONES]:
            del self._zones[one]

    def due(self, now: float) -> bool:
        return now >= self._due

    def changed(self) -> None:
        """Days may have been taken out."""
        self._due = 0.0

    def tend(self, connection: sqlite3.Connection, pending: Pending, now: float) -> None:
        """Sums up days that are over, for a short while; those of zones that nobody asks for go."""
        if not self.due(now):
            return
        rows = connection.execute("SELECT DISTINCT zone FROM rolled WHERE zone <> ? ORDER BY zone", (HOURS,))
        for (zone,) in rows.fetchall():
            if zone not in self._zones and len(self._zones) < MOST_ZONES and _is_known(zone):
                self._zones[zone] = None  # of before the last start
            elif zone not in self._zones:
                _take_out(connection, "zone = ?", (zone,))
        _take_out(connection, "zone = ? AND since < ?", (HOURS, now - HOURS_KEPT * HOUR))
        end = time.monotonic() + AT_ONCE_SECONDS
        waits = hours_of(pending)
        for zone in self._zones:
            for day in _lacking(connection, zone, now):
                if touched(day, waits) or (zone, day.start) in self._unread:
                    continue
                connection.execute("SAVEPOINT day")
                try:
                    _keep(connection, zone, day)
                except (Damaged, sqlite3.OperationalError) as error:
                    if isinstance(error, sqlite3.OperationalError) and "overflow" not in str(error):
                        raise
                    connection.execute("ROLLBACK TO day")
                    self._unread.add((zone, day.start))
                connection.execute("RELEASE day")
                if time.monotonic() >= end:
                    return
        for span in _lacking_hours(connection, now):
            if not touched(span, waits):
                _put(connection, HOURS, span, _KEEP_HOUR, hour_of(span.start))
                if time.monotonic() >= end:
                    return
        self._due = (now // HOUR + 1) * HOUR


def kept_within(
    connection: sqlite3.Connection, since: float, until: float, pending: Pending, *, hours: bool
) -> Iterator[KeptDay]:
    """Days that lie in that span and apart from each other, in order; none of which something is pending. hours: where there
    is no day, hours, of which nothing is known but what each name has."""
    waits = hours_of(pending)
    zones: dict[str, list[KeptDay]] = {}
    for zone, day in _kept(connection, "zone <> ?", since, until):
        if not touched(Span(day.since, day.until), waits):
            zones.setdefault(zone, []).append(day)
    done = since
    for day in max(zones.values(), key=_worth, default=[]):
        if hours and done < day.since:
            yield from _hours_within(connection, done, day.since, waits)
        done = day.until
        yield day
    if hours and done < until:
        yield from _hours_within(connection, done, until, waits)


def _worth(days: Sequence[KeptDay]) -> tuple[float, bool]:
    """Of one zone's, which lie apart: the longest in all, and those that begin with an hour."""
    return sum(day.until - day.since for day in days), days[0].since % HOUR == 0


def _hours_within(
    connection: sqlite3.Connection, since: float, until: float, waits: set[int]
) -> Iterator[KeptDay]:
    for _, one in _kept(connection, "zone = ?", since, until):
        if not touched(Span(one.since, one.until), waits):
            yield one


def _kept(
    connection: sqlite3.Connection, where: str, since: float, until: float
) -> Iterator[tuple[str, KeptDay]]:
    rows = connection.execute(
        f"SELECT zone, id, since, until FROM rolled WHERE {where} AND since >= ? AND until <= ? ORDER BY since",  # noqa: S608
        (HOURS, since, until),
    )
    return ((zone, KeptDay(*day)) for zone, *day in rows.fetchall())


def take_out_hours(connection: sqlite3.Connection, hours: Iterable[int]) -> bool:
    """The days in which one of these hours lies in part are not what they were. Whether there was one."""
    gone = False
    for hour in hours:
        gone |= _take_out(connection, "since < ? AND until > ?", ((hour + 1) * HOUR, hour * HOUR))
    return gone


def take_out_before(connection: sqlite3.Connection, end: float) -> None:
    """Of records that are older."""
    _take_out(connection, "since < ?", (end,))


def hours_of(pending: Pending) -> set[int]:
    """In which something is pending."""
    return {hour for hour, _ in pending.hourly}


def touched(day: Span, hours: Iterable[int]) -> bool:
    """Does one of these hours lie in it, in part at least?"""
    return any(hour * HOUR < day.end and (hour + 1) * HOUR > day.start for hour in hours)


def _take_out(connection: sqlite3.Connection, where: str, given: Sequence[object]) -> bool:
    numbers = [row[0] for row in connection.execute(f"SELECT id FROM rolled WHERE {where}", given)]  # noqa: S608
    for number in numbers:
        for table in ("daily", "daily_by"):
            connection.execute(f"DELETE FROM {table} WHERE day = ?", (number,))  # noqa: S608
        connection.execute("DELETE FROM rolled WHERE id = ?", (number,))
    return bool(numbers)


def _lacking(connection: sqlite3.Connection, zone: str, now: float) -> Iterator[Span]:
    """Days with a record that are over for an hour, and not kept."""
    there = {row[0] for row in connection.execute("SELECT since FROM rolled WHERE zone = ?", (zone,))}
    done = -math.inf
    while True:
        first = -(2**62) if math.isinf(done) else hour_of(done)
        (hour,) = connection.execute("SELECT min(hour) FROM hourly WHERE hour >= ?", (first,)).fetchone()
        if hour is None:
            return
        day = period_at(Per.DAY, zone, max(float(hour * HOUR), done))
        if day.end + HOUR > now:
            return
        if day.start not in there:
            yield day
        done = day.end


def _is_known(zone: str) -> bool:
    try:
        zone_of(zone)
    except ValueError:
        return False
    return True


def _keep(connection: sqlite3.Connection, zone: str, day: Span) -> None:
    first, last = hour_from(day.start), hour_of(day.end)
    rows = connection.execute(_HOURS, (first, last)).fetchall()
    sums: dict[int, Values] = {dim: values for dim, *values in rows}
    for since, until in ((day.start, first * HOUR), (last * HOUR, day.end)):
        if since < until:
            add_up(sums, _of_records(connection, since, until))
    if not sums:  # there is only something in the rest of an hour that it begins or ends in
        return
    number = _put(connection, zone, day, {}, 0)
    rows = [(number, dim, *map(bounded, values)) for dim, values in sorted(sums.items())]
    connection.executemany(_KEEP, rows)
    for keep in _KEEP_BY.values():
        connection.execute(keep, (number, number))


def _put(
    connection: sqlite3.Connection, zone: str, span: Span, keeps: Mapping[str, str], hour: int
) -> int | None:
    """Its number. keeps: of `hourly`, of that hour."""
    number = connection.execute(
        "INSERT INTO rolled (zone, since, until) VALUES (?, ?, ?)", (zone, span.start, span.end)
    ).lastrowid
    for keep in keeps.values():
        connection.execute(keep, (number, hour))
    return number


def _lacking_hours(connection: sqlite3.Connection, now: float) -> Iterator[Span]:
    """Hours with a record that are over for an hour, and not kept; the newest first."""
    rows = connection.execute("SELECT since FROM rolled WHERE zone = ?", (HOURS,))
    there = {hour_of(since) for (since,) in rows}
    last = hour_of(now) - 2
    for hour in range(last, last - HOURS_KEPT + 1, -1):
        if hour not in there:
            query = "SELECT 1 FROM hourly WHERE hour = ? LIMIT 1"
            if connection.execute(query, (hour,)).fetchone() is not None:
                yield Span(float(hour * HOUR), float((hour + 1) * HOUR))


def _of_records(connection: sqlite3.Connection, since: float, until: float) -> dict[int, Values]:
    """The same of a piece of an hour, by dimension. Raises Damaged."""
    found: dict[int, Values] = {}
    rows = connection.execute(
        "SELECT records, body FROM block WHERE last_at >= ? AND first_at < ?", (since, until)
    )
    for records, body in rows.fetchall():
        block = Block(body, records)
        piece = [index for index, at in enumerate(block.at) if since <= at < until]
        if not piece:
            continue
        columns = [[column[one] for one in piece] for column in map(block.values, SUMMED)]
        columns.append([int(one is None) for one in columns[_COST]])
        dims = [block.dims[one] for one in piece]
        made = sums_of(piece, (0.0, 0.0), dims, columns)
        add_up(found, {dim: values for (_, dim), values in made.items()})
    return found
