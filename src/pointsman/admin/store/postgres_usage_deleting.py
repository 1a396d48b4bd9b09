"""Old usage records are taken out of a PostgreSQL: days as whole tables, the rest of a day row by row. What budgets count is
carried, as usage_deleting.py does it in a file.

First the sums of whole hours go, then their rows, so that whoever is stopped in between leaves rows that no sum has and no
list shows, which the next time takes out. Who adds waits only for what changes sums. Not here: what comes in
(postgres_usage_adding.py).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from ...errors import PointsmanError
from ...ledger.blocks import SUMMED
from .postgres import PostgresServer, driver_of
from .postgres_usage_adding import add_hours, add_sessions
from .postgres_usage_tables import DAY, IN_USE, Partition, can_detach, day_of, partitions, take_away
from .usage import Deleted
from .usage_adding import HOUR, hour_of
from .usage_deleting import IN_ALL, LONGEST_HOURS
from .usage_glance import MINUTE

log = logging.getLogger("pointsman.control")

HOURS_AT_ONCE = 24
"""Whose sums one transaction takes out."""
_SECONDS = 300.0
"""Of one transaction that takes rows out; those of an hour at most."""
_CARRIED_UP = (
    "ON CONFLICT (hour, key_id, backend) DO UPDATE SET tokens = usage_carried.tokens + excluded.tokens,"
    " cost = usage_carried.cost + excluded.cost"
)
_CARRY = f"""INSERT INTO usage_carried (hour, key_id, backend, tokens, cost)
SELECT h.hour, coalesce(d.key_id, 0), coalesce(d.backend, ''),
 %(sign)s * sum(coalesce(h.input_tokens, 0) + coalesce(h.output_tokens, 0)), %(sign)s * sum(coalesce(h.cost, 0))
FROM usage_hour h JOIN usage_kind d ON d.id = h.kind WHERE h.hour >= %(first)s AND h.hour < %(last)s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 {_CARRIED_UP}"""  # noqa: S608
_CARRY_ON = f"""WITH gone AS (DELETE FROM usage_carried WHERE hour >= 0 AND hour < %(first)s
 RETURNING key_id, backend, tokens, cost)
INSERT INTO usage_carried (hour, key_id, backend, tokens, cost)
SELECT {IN_ALL}, key_id, backend, sum(tokens), sum(cost) FROM gone GROUP BY 2, 3 ORDER BY 2, 3 {_CARRIED_UP}"""  # noqa: S608
_GONE = (
    "WITH h AS (DELETE FROM usage_hour WHERE hour >= %(first)s AND hour < %(last)s RETURNING records),"
    " s AS (DELETE FROM usage_session_hour WHERE hour >= %(first)s AND hour < %(last)s)"
    " SELECT coalesce(sum(records), 0) FROM h"
)
_REST = (
    f"(SELECT at, kind, session, {', '.join(SUMMED)} FROM usage WHERE at >= %(since)s AND at < %(until)s) n"  # noqa: S608
)
_SIZE = (
    "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^usage'"
    " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('usage'))"
)


def delete_before(server: PostgresServer, before: float) -> Deleted:
    """See UsageStore."""
    size = _size(server)
    if before == -math.inf:
        return Deleted(records=0, bytes_before=size, bytes_after=size)
    before = min(before, time.time() + 100 * 365 * DAY)
    records = _take_sums(server, hour_of(before))
    _take_days(server, day_of(before))
    _take_rows(server, before)
    records += _take_sums(server, hour_of(before))  # of old records that came meanwhile
    if before % HOUR:
        records += _take_part(server, before)
    _forget(server, before)
    return Deleted(records=records, bytes_before=size, bytes_after=_size(server))


@contextmanager
def _alone(server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    """Within a transaction, while nobody adds."""
    with server.transaction(write=True, seconds=_SECONDS) as connection:
        driver = driver_of(connection)
        driver.execute(f"SELECT pg_advisory_xact_lock({IN_USE})".encode())
        driver.execute("SET LOCAL statement_timeout = 0")
        yield driver


def _take_sums(server: PostgresServer, last: int) -> int:
    """Of whole hours before that one: how many records they were of."""
    records = 0
    while True:
        with _alone(server) as driver:
            first = _one(driver, "SELECT min(hour) FROM usage_hour WHERE hour < %s", [last])
            if first is None:
                return records
            span = {"first": first, "last": min(first + HOURS_AT_ONCE, last)}
            driver.execute(_CARRY.encode(), {**span, "sign": 1})
            records += int(_one(driver, _GONE, span))


def _take_days(server: PostgresServer, day: int) -> None:
    """Those before it, and what is left of some that somebody was stopped at. Whoever reads is not waited for long: what
    cannot go now goes the next time."""
    with server.raw() as driver:
        old = [one for one in partitions(driver) if one.day < day]
    for one in sorted(old, key=lambda one: one.day):
        try:
            with server.raw() as driver:
                _detach(driver, one)
                take_away(driver, one)
        except PointsmanError as error:
            log.warning("the day %s of old usage stays for now: %s", one.name, error.public)
            return


def _detach(driver: psycopg.Connection[Any], one: Partition) -> None:
    if one.attached and not one.pending:
        how = "CONCURRENTLY" if can_detach(driver) else ""
        driver.execute(f"ALTER TABLE usage DETACH PARTITION {one.name} {how}".encode())


def _take_rows(server: PostgresServer, before: float) -> None:
    """Of the whole hours of the last day, whose sums are gone."""
    for hour in range(day_of(before) * DAY // HOUR, hour_of(before)):
        with server.transaction(write=True, seconds=_SECONDS) as connection:
            driver = driver_of(connection)
            driver.execute("SET LOCAL statement_timeout = 0")
            given = (hour * HOUR, (hour + 1) * HOUR)
            driver.execute("DELETE FROM usage WHERE at >= %s AND at < %s", given)


def _take_part(server: PostgresServer, before: float) -> int:
    """Of the hour in which it ends: the sums of what is left of it are made anew."""
    hour = hour_of(before)
    span = {"first": hour, "last": hour + 1}
    rest = {"since": before, "until": float((hour + 1) * HOUR)}
    with _alone(server) as driver:
        driver.execute(_CARRY.encode(), {**span, "sign": 1})
        driver.execute(_GONE.encode(), span)
        gone = driver.execute("DELETE FROM usage WHERE at >= %s AND at < %s", (hour * HOUR, before))
        for add in (add_hours, add_sessions):
            driver.execute(add(_REST).encode(), rest)
        driver.execute(_CARRY.encode(), {**span, "sign": -1})
        return gone.rowcount


def _forget(server: PostgresServer, before: float) -> None:
    """The names that only older records had; and what no period needs by the hour is carried together."""
    with _alone(server) as driver:
        driver.execute(
            "DELETE FROM usage_kind d WHERE NOT EXISTS (SELECT FROM usage_hour h WHERE h.kind = d.id)"
        )
        driver.execute("DELETE FROM usage_answer WHERE at < %s", [before])
        driver.execute("DELETE FROM usage_minute WHERE minute < %s", [int(before // MINUTE)])
        driver.execute(_CARRY_ON.encode(), {"first": hour_of(time.time()) - LONGEST_HOURS})


def _size(server: PostgresServer) -> int:
    with server.raw() as driver:
        return int(_one(driver, _SIZE, []))


def _one(driver: psycopg.Connection[Any], query: str, given: Any) -> Any:
    row = driver.execute(query.encode(), given).fetchone()
    return None if row is None else row[0]
