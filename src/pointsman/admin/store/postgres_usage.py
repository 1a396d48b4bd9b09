"""Usage records in a PostgreSQL, beside the rules and shared by all gateways on it.

Each batch is one transaction, and its sums are in it: nothing waits in memory, and any gateway reads what any other one has
stored. Not here: what a caller may ask for (usage.py), the tables (postgres_usage_tables.py).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, text

from ...errors import PointsmanError
from ...ledger.blocks import UsageBlock
from ...ledger.periods import UTC_NAME, zone_of
from ...ledger.records import UsageRecord
from .postgres import PostgresServer, driver_of
from .postgres_usage_adding import Adding
from .postgres_usage_copying import copy_to, put_in
from .postgres_usage_deleting import delete_before
from .postgres_usage_reading import glance_of, newest, troubles
from .postgres_usage_sums import TableSums, last_used, spent, spent_by_key
from .postgres_usage_tables import AHEAD, DAY, Partitions, day_of, make_ready
from .usage import (
    ANSWERS_SECONDS,
    LAST_ID,
    LOOK_SECONDS,
    MAX_LIMIT,
    MOST_ANSWERS,
    Deleted,
    cursor_of,
    parse_cursor,
)
from .usage_chart import Chart, chart_of
from .usage_glance import AT_ONCE, MINUTE, MINUTES, Glance
from .usage_groups import By, Group, LeftTotals, groups, left_machine, together, totals_of
from .usage_query import RowFilter, Totals, UsageFilter
from .usage_sums import Span

TEND_SECONDS = 60.0
GLANCE_SECONDS = 5.0
"""How long a look that had to read many rows is good for."""
_CHECKED = 1_000_000
"""Records of the newest hours whose sums are made again by a check."""
_ANSWER = text("SELECT target, model FROM usage_answer WHERE id = :id AND key_id = :key AND at >= :since")
_SHARED = text(
    "SELECT EXISTS (SELECT FROM usage_answer WHERE id = :id AND key_id <> :key AND at >= :since"
    " AND starts_with(target, :backend))"
)
_FORGET_ANSWERS = (
    "DELETE FROM usage_answer WHERE at < greatest(%s,"
    " (SELECT coalesce(min(at), '-Infinity') FROM (SELECT at FROM usage_answer ORDER BY at DESC LIMIT %s) a))"
)
_CHECK = text(
    "SELECT h.hour, h.records, u.records FROM (SELECT hour, sum(records) AS records FROM usage_hour WHERE hour >= :hour"
    " GROUP BY 1) h LEFT JOIN LATERAL (SELECT count(*) AS records FROM usage u WHERE u.at >= h.hour * 3600"
    " AND u.at < (h.hour + 1) * 3600) u ON TRUE WHERE h.records <> u.records ORDER BY 1"
)
_NEWEST = text(
    "SELECT min(hour) FROM (SELECT hour, sum(sum(records)) OVER (ORDER BY hour DESC) AS records FROM usage_hour"
    " GROUP BY hour) h WHERE records <= :most"
)
_NAMELESS = text(
    "SELECT count(DISTINCT h.kind) FROM usage_hour h WHERE NOT EXISTS (SELECT FROM usage_kind d WHERE d.id = h.kind)"
)


class UsageTables:
    """See UsageStore. Several at a time; what is read is of one moment."""

    step = float(DAY)

    def __init__(self, server: PostgresServer) -> None:
        """Opens at first use."""
        self._server = server
        self._ready = False
        self._making = threading.Lock()
        self._partitions = Partitions(server)
        self._adding = Adding(server, self._partitions)
        self._due = -math.inf  # monotonic
        self._seen: tuple[float, float, Glance] | None = None  # when, since when, what

    def add(self, given: UsageBlock, *, again: bool = True) -> int:
        """See UsageStore. A record that is there already is left as it is, whatever is said of it."""
        with self._prepared():
            return self._adding.add(given) if given.records else 0

    def copy_to(self, target: Path) -> None:
        """See UsageStore."""
        with self._prepared():
            copy_to(self._server, target)

    def put_in(self, source: Path) -> None:
        """See UsageStore."""
        with self._prepared():
            put_in(self._server, self._adding, self._partitions, source)
        self._seen = None

    def tend(self) -> None:
        """Once a minute: partitions for the days to come; minutes and answers that nobody asks for any more go. All gateways
        do it, which costs nothing where it is done."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + TEND_SECONDS
        now = time.time()
        with suppress(PointsmanError), self._prepared():  # told where a batch is not stored
            self._partitions.ensure(range(day_of(now), day_of(now) + AHEAD))
            with self._server.raw() as driver:
                first = int(now // MINUTE) - 2 * MINUTES
                driver.execute("DELETE FROM usage_minute WHERE minute < %s", [first])
                driver.execute(_FORGET_ANSWERS, [now - ANSWERS_SECONDS, MOST_ANSWERS])

    def answer(self, key_id: int | None, name: str) -> tuple[str, str] | None:
        """See UsageStore."""
        given = {"id": name, "key": key_id or 0, "since": time.time() - ANSWERS_SECONDS}
        if "\0" in name:
            return None
        with self._reading() as connection:
            found = connection.execute(_ANSWER, given).one_or_none()
            if found is None:
                return None
            backend = found.target.partition(":")[0] + ":"
            shared = connection.scalar(_SHARED, {**given, "backend": backend})
            return None if shared else (found.target, found.model)

    def page(
        self, filters: UsageFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[UsageRecord], str | None]:
        """See UsageStore."""
        limit = max(1, min(limit, MAX_LIMIT))
        before = None if cursor is None else parse_cursor(cursor)
        asked = filters or UsageFilter()
        look = LOOK_SECONDS if isinstance(asked, RowFilter) and asked.slower_ms is not None else math.inf
        with self._reading() as connection:
            rows, left = newest(connection, asked, before, limit + 1, look)
        if len(rows) > limit:
            return rows[:limit], cursor_of(rows[limit - 1].at, rows[limit - 1].id)
        return rows, None if left is None else cursor_of(left, LAST_ID)

    def troubles(self, limit: int) -> list[UsageRecord]:
        """See UsageStore."""
        with self._reading() as connection:
            return troubles(connection, limit)

    def totals(self, filters: UsageFilter | None = None) -> Totals:
        """See UsageStore."""
        with self._reading() as connection:
            return Totals(**totals_of(together(TableSums(connection), filters or UsageFilter())))

    def by(
        self, what: By, filters: UsageFilter | None = None, zone: str = UTC_NAME, most: int | None = None
    ) -> list[Group]:
        """See UsageStore."""
        zone_of(zone)
        with self._reading() as connection:
            return groups(TableSums(connection), filters or UsageFilter(), what, zone, most)

    def left_machine(self, filters: UsageFilter, zone: str = UTC_NAME) -> list[LeftTotals]:
        """See UsageStore."""
        zone_of(zone)
        with self._reading() as connection:
            return left_machine(TableSums(connection), filters, zone)

    def chart(
        self, by: By, spans: Sequence[Span], most: int, filters: UsageFilter, zone: str = UTC_NAME
    ) -> Chart:
        """See UsageStore."""
        zone_of(zone)
        with self._reading() as connection:
            return chart_of(TableSums(connection), filters, by, spans, most)

    def glance(self, since: float) -> Glance:
        """See UsageStore. Of all gateways."""
        seen, now = self._seen, time.monotonic()
        if seen is not None and seen[1] == since and now - seen[0] < GLANCE_SECONDS:
            return seen[2]
        with self._reading() as connection:
            found, read = glance_of(connection, since, time.time())
        self._seen = (now, since, found) if read > AT_ONCE else None
        return found

    def spent(
        self, key_ids: Sequence[int] = (), *, backend: str | None = None, since: float | None = None
    ) -> tuple[int, int]:
        """See UsageStore."""
        with self._reading() as connection:
            return spent(connection, key_ids, backend, since)

    def spent_by_key(self, since: float | None) -> dict[int, tuple[int, int]]:
        """See UsageStore."""
        with self._reading() as connection:
            return spent_by_key(connection, since)

    def last_used(self, key_ids: Iterable[int]) -> dict[int, float]:
        """See UsageStore."""
        with self._reading() as connection:
            return last_used(connection, key_ids)

    def delete_before(self, before: float) -> Deleted:
        """See UsageStore. Days go as a whole; of rows that are taken out singly PostgreSQL uses the room again, and gives it
        back with their day."""
        self._seen = None
        with self._prepared():
            return delete_before(self._server, before)

    def integrity(self) -> list[str]:
        """That the sums of the newest hours are those of their rows, and that what they name is there."""
        with self._reading() as connection:
            driver_of(connection).execute("SET LOCAL statement_timeout = 0")
            nameless = connection.scalar(_NAMELESS)
            found = [f"{nameless} kinds of usage records have sums and no names"] if nameless else []
            hour = connection.scalar(_NEWEST, {"most": _CHECKED})
            rows = [] if hour is None else connection.execute(_CHECK, {"hour": hour}).all()
        return found + [
            f"the sums of hour {hour} of usage are of {summed} records, and there are {there}"
            for hour, summed, there in rows
        ]

    def close(self) -> None:
        """Its connections are those of the rules, and are closed with them."""

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._prepared(), self._server.transaction(write=False) as connection:
            yield connection

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """Its tables are there; after a failure that is looked at again."""
        with self._making:
            if not self._ready:
                make_ready(self._server)
                self._ready = True
        try:
            yield
        except PointsmanError:
            self._ready = False
            raise
