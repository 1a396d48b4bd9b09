"""Usage records in a SQLite file of their own, so that a busy or broken log never touches the rules.

One connection, synchronous=NORMAL (a power cut may cost the last second). Not here: what a caller may ask for (usage.py),
how records lie in the file (usage_log.py) and are read (usage_query.py).
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.blocks import UsageBlock, block_of
from ...ledger.periods import UTC_NAME, zone_of
from ...ledger.records import UsageRecord
from ...process.private_files import mode_problem
from .sqlite import FileOptions, SqliteFile, copy_database
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
from .usage_adding import HOUR, Pending
from .usage_chart import Chart, chart_of
from .usage_columns import Block, Damaged
from .usage_deleting import carried, carried_by_key, delete_before, forget_names, next_end
from .usage_glance import Glance, Glances
from .usage_groups import By, Group, LeftTotals, groups, left_machine, together, totals_of
from .usage_last import last_used
from .usage_log import UsageLog, blocks_with
from .usage_query import RowFilter, Totals, UsageFilter, damaged, newest_within, troubles
from .usage_sums import FileSums, Span, spent, spent_by_key
from .usage_tables import begin

_VERSION = 8
FOLD_SECONDS = 10.0
"""While records come in. What is not folded at a crash is summed up at the next start: half a second for 50,000."""

_metadata = sa.MetaData()
_answers = sa.Table(
    "answers",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Integer, primary_key=True, autoincrement=False),  # 0: no client key
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
"""Who made the answers that clients may ask for by their id."""
_INSERT_ANSWER = "INSERT OR REPLACE INTO answers (id, key_id, target, model, at) VALUES (?, ?, ?, ?, ?)"
_FORGET_ANSWERS = (
    "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM (SELECT rowid, at FROM answers ORDER BY rowid LIMIT 1000)"
    " WHERE at < ?1 OR rowid <= (SELECT max(rowid) FROM answers) - ?2)"
)
"""Only the oldest are looked at, which come first."""


class UsageFile:
    """See UsageStore. Raises PointsmanError UNAVAILABLE while the file is locked, full or damaged, and works again after; a
    vanished file is begun anew. What was given in a failed call is not stored at all, so it can come again."""

    step = float(HOUR)

    def __init__(self, path: Path) -> None:
        """Opens at first use. Raises PointsmanError at once when others can read the file."""
        self.path = path
        problem = mode_problem(path) if path.exists() else None
        if problem is not None:
            raise PointsmanError(ErrorKind.UNAVAILABLE, f"{problem}.")
        options = FileOptions(
            "The usage database", "NORMAL", make_again=True, prepare=self._prepare, shrinks=True
        )
        self._file = SqliteFile(path, options)
        self._log: UsageLog | None = None
        self._glances = Glances()
        self._taken = 0  # batches since it was last tended
        self._folded_at = -FOLD_SECONDS  # monotonic
        self._untidy = True

    def add(self, given: UsageBlock, *, again: bool = True) -> int:
        """How many records were new. again: some may have come before, so that their ids are looked for."""
        if not given.records:
            return 0
        new = given
        sums = Pending()
        try:
            with self._file.transaction(
                write=True, after_commit=lambda: self._stored(new, sums)
            ) as connection:
                driver = driver_of(connection)
                if again:
                    new = _unknown(driver, given)
                if new.records:
                    sums.add(self._opened.add(driver, new))
                if given.answers:
                    driver.executemany(_INSERT_ANSWER, given.answers)
                    driver.execute(_FORGET_ANSWERS, (time.time() - ANSWERS_SECONDS, MOST_ANSWERS))
        except BaseException:
            if self._log is not None:
                self._log.forget()
            raise
        self._taken += 1
        self._untidy = True
        return new.records

    def copy_to(self, target: Path) -> None:
        """Into a new file, as it is between two batches."""
        with self._file.raw() as connection:
            copy_database(connection, target)

    def put_in(self, source: Path) -> None:
        """All records as `source` has them."""
        with closing(sqlite3.connect(source)) as new, self._file.raw() as live:
            new.backup(live)
        self._file.forget()  # sums that it keeps in memory are of what was there
        self._untidy = True

    def _stored(self, new: UsageBlock, sums: Pending) -> None:
        self._opened.keep(sums)
        if new.records:
            self._glances.take(new)

    def tend(self) -> None:
        """Once a second: sums are folded when nothing came meanwhile, or it was long ago, and small blocks become large
        ones; days that are over are summed up; a glance is read on. Costs nothing when there is nothing to do; raises
        nothing that passes by itself."""
        if self._glances.lacks:
            with suppress(PointsmanError):  # told to who looks
                self._glance_on()
        idle, self._taken = not self._taken, 0
        now = time.time()
        if not self._untidy and (self._log is None or not self._log.days.due(now)):
            return
        due = idle or time.monotonic() - self._folded_at >= FOLD_SECONDS
        try:
            with self._file.transaction(write=True, after_commit=lambda: self._folded(due)) as connection:
                driver = driver_of(connection)
                small, more = self._opened.small_blocks(driver, idle=idle)
                due = due or bool(small)
                if due:
                    self._opened.fold(driver, small)
                self._opened.days.tend(driver, Pending() if due else self._opened.pending, now)
        except PointsmanError:  # told where a batch is not stored
            return
        self._untidy = more or not idle

    def _folded(self, done: bool) -> None:
        if done:
            self._opened.pending.clear()
            self._folded_at = time.monotonic()

    @property
    def _opened(self) -> UsageLog:
        assert self._log is not None, "a transaction opens the file"
        return self._log

    def _sums(self, connection: Connection) -> FileSums:
        return FileSums(driver_of(connection), self._opened.pending)

    def _prepare(self, connection: Connection) -> None:
        """The file keeps its version in user_version: its few tables need no migration tool."""
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > _VERSION:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                "The usage database was written by a newer Pointsman; update Pointsman, or move usage.db away.",
            )
        driver = driver_of(connection)
        if version < _VERSION:
            begin(driver, version)
            _metadata.create_all(connection)
            driver.execute(f"PRAGMA user_version = {_VERSION}")
            connection.commit()
        self._log, self._glances = UsageLog(driver), Glances()

    def answer(self, key_id: int | None, name: str) -> tuple[str, str] | None:
        """(target, model that was asked for) of the answer of that id, given to that key; None where none is known, and
        where its backend gave the same id to another key."""
        known = (_answers.c.id == name, _answers.c.at >= time.time() - ANSWERS_SECONDS)
        own = _answers.c.key_id == (key_id or 0)
        query = sa.select(_answers.c.target, _answers.c.model).where(own, *known)
        with self._file.transaction(write=False) as connection:
            found = connection.execute(query).one_or_none()
            if found is None:
                return None
            backend = found.target.partition(":")[0] + ":"
            same = sa.func.substr(_answers.c.target, 1, len(backend)) == backend
            shared = sa.select(sa.exists().where(~own, same, *known))
            return None if connection.execute(shared).scalar() else (found.target, found.model)

    def page(
        self, filters: UsageFilter | None = None, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[UsageRecord], str | None]:
        """Newest first, and the next page's cursor (None at the end). New rows do not shift pages. By what each row has of
        its own is looked for a moment long: then there is a cursor after fewer rows than were wanted, or none."""
        limit = max(1, min(limit, MAX_LIMIT))
        before = None if cursor is None else parse_cursor(cursor)
        with self._file.transaction(write=False) as connection, _told_damage():
            asked = filters or UsageFilter()
            seconds = (
                LOOK_SECONDS if isinstance(asked, RowFilter) and asked.slower_ms is not None else math.inf
            )
            rows, left = newest_within(
                driver_of(connection), asked, before, limit + 1, self._opened.pending, seconds
            )
        if len(rows) > limit:
            return rows[:limit], cursor_of(rows[limit - 1].at, rows[limit - 1].id)
        return rows, None if left is None else cursor_of(left, LAST_ID)

    def troubles(self, limit: int) -> list[UsageRecord]:
        """The newest requests that failed, were rescued or whose client left."""
        with self._file.transaction(write=False) as connection, _told_damage():
            return troubles(driver_of(connection), limit)

    def totals(self, filters: UsageFilter | None = None) -> Totals:
        with self._file.transaction(write=False) as connection, _told_damage():
            sums = together(self._sums(connection), filters or UsageFilter())
        return Totals(**totals_of(sums))

    def by(
        self,
        what: By,
        filters: UsageFilter | None = None,
        zone: str = UTC_NAME,
        most: int | None = None,
    ) -> list[Group]:
        """Sums over the filtered requests, a row a group; see groups(). Raises ValueError for an unknown zone."""
        zone_of(zone)
        with self._file.transaction(write=False) as connection, _told_damage():
            if what is By.DAY:
                self._opened.days.ask(zone)
            return groups(self._sums(connection), filters or UsageFilter(), what, zone, most)

    def left_machine(self, filters: UsageFilter, zone: str = UTC_NAME) -> list[LeftTotals]:
        """What went where; see usage_groups.left_machine(). Raises ValueError for an unknown zone."""
        zone_of(zone)
        with self._file.transaction(write=False) as connection, _told_damage():
            self._opened.days.ask(zone)
            return left_machine(self._sums(connection), filters, zone)

    def chart(
        self, by: By, spans: Sequence[Span], most: int, filters: UsageFilter, zone: str = UTC_NAME
    ) -> Chart:
        """See chart_of(). zone: whose days the spans are, so that those are kept ready. Raises ValueError for an unknown
        one."""
        zone_of(zone)
        with self._file.transaction(write=False) as connection, _told_damage():
            self._opened.days.ask(zone)
            return chart_of(self._sums(connection), filters, by, spans, most)

    def glance(self, since: float) -> Glance:
        """What became of the requests of the last hour; how long first outputs took since these unix seconds."""
        with self._file.transaction(write=False) as connection, _told_damage():
            return self._glances.look(driver_of(connection), since, time.time())

    def _glance_on(self) -> None:
        with self._file.transaction(write=False) as connection, _told_damage():
            self._glances.more(driver_of(connection))

    def spent(
        self, key_ids: Sequence[int] = (), *, backend: str | None = None, since: float | None = None
    ) -> tuple[int, int]:
        """(tokens, nano-dollars) of these client keys together, or of that backend, from those unix seconds on, exact to
        the record; what has no known cost counts as none."""
        with self._file.transaction(write=False) as connection, _told_damage():
            driver = driver_of(connection)
            tokens, cost = spent(driver, self._opened.pending, key_ids, backend, since)
            before = carried(driver, key_ids, backend, since)
        return tokens + before[0], cost + before[1]

    def spent_by_key(self, since: float | None) -> dict[int, tuple[int, int]]:
        """spent() of every client key that has any, read at once."""
        with self._file.transaction(write=False) as connection, _told_damage():
            driver = driver_of(connection)
            found = spent_by_key(driver, self._opened.pending, since)
            for key, (tokens, cost) in carried_by_key(driver, since).items():
                more = found.get(key, (0, 0))
                found[key] = tokens + more[0], cost + more[1]
        return found

    def last_used(self, key_ids: Iterable[int]) -> dict[int, float]:
        """When these client keys were used last, unix seconds; see usage_last.py."""
        with self._file.transaction(write=False) as connection, _told_damage():
            return last_used(driver_of(connection), self._opened.pending, key_ids)

    def delete_before(self, before: float) -> Deleted:
        """Takes out all records that are older than those unix seconds, for good, and makes the file smaller."""
        size, records, end = self._bytes(), 0, -math.inf
        while end < before:
            try:
                with self._file.transaction(write=True, after_commit=self._written) as connection:
                    driver = driver_of(connection)
                    end = next_end(driver, before)
                    taken = delete_before(driver, self._opened, end)
                    if end >= before:
                        forget_names(driver, end, time.time())
            except BaseException:
                if self._log is not None:
                    self._log.forget()
                raise
            records += taken
        if records:
            self._file.compact()
        return Deleted(records=records, bytes_before=size, bytes_after=self._bytes())

    def _written(self) -> None:
        self._opened.forget()
        self._glances.forget()
        self._folded(True)

    def _bytes(self) -> int:
        beside = self.path.with_name(self.path.name + "-wal")
        return sum(one.stat().st_size for one in (self.path, beside) if one.exists())

    def integrity(self) -> list[str]:
        """What SQLite's own check finds, and which blocks are not what was written; empty when all is well."""
        found = self._file.integrity()
        with self._file.transaction(write=False) as connection:
            return found + damaged(driver_of(connection))

    def close(self) -> None:
        """What is not folded is made again from the blocks when the file is opened."""
        self._file.close()


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, within the same transaction: its statements cost a fifth of SQLAlchemy's."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


@contextmanager
def _told_damage() -> Iterator[None]:
    try:
        yield
    except Damaged as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            "The usage database is damaged: a block of its log is not what was written (pointsman doctor says which);"
            " stop the gateway and put back a backup.",
            retry_after=5,
        ) from error


def _unknown(driver: sqlite3.Connection, given: UsageBlock) -> UsageBlock:
    """Its records whose ids the log has not, each once."""
    names = given.reader().ids()
    lacking = set(names)
    for _, count, body in blocks_with(driver, names):
        with _told_damage():
            lacking.difference_update(Block(body, count).ids())
    if len(lacking) == given.records:
        return given
    found = {record.id: record for record in reversed(given.read()) if record.id in lacking}
    return block_of(reversed(found.values()))
