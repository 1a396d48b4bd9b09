"""Databases with our tables in them and nothing else, lent to one test after another.

A database costs a tenth of a second to make and its tables as much again; emptying one costs milliseconds. One whose tables
are not any longer as they were made is dropped. Not here: the cluster (postgres.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.store.postgres_backing import PostgresBacking
from pointsman.admin.store.postgres_usage_tables import make_ready
from tests.postgres import Cluster

_SHAPE = """
SELECT md5(string_agg(said, '|' ORDER BY said)) FROM (
  SELECT format('%s %s %s %s %s %s %s', c.relname, c.relkind, c.relispartition, a.attname, a.atttypid, a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid)) AS said
  FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT setdatabase || array_to_string(setconfig, ' ') FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_'
) AS every
"""
_EMPTY = """
DO $$ DECLARE one regclass; BEGIN
  SET LOCAL session_replication_role = replica; -- in whatever order
  FOR one IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND NOT relispartition LOOP EXECUTE format('DELETE FROM %s', one); END LOOP;
  FOR one IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
    LOOP EXECUTE format('ALTER SEQUENCE %s RESTART', one); END LOOP;
END $$
"""
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
_LEAVE_SECONDS = 10.0


class ReadyDatabases:
    """Of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._free: list[_Ready] = []
        self._template: str | None = None

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of one. Whoever connected to it has let go at the end: a pool that was left open is a failure."""
        one = self._free.pop() if self._free else _Ready(self._cluster, self._cluster.database(self._made()))
        try:
            yield one.url
            kept = one.emptied()
        except BaseException:
            one.drop()
            raise
        if kept:
            self._free.append(one)
        else:
            one.drop()

    def close(self) -> None:
        for one in self._free:
            one.link.close()

    def _made(self) -> str:
        """The name of the one that all are copies of."""
        if self._template is None:
            url = self._cluster.database()
            place = database_place(Path(), url)
            assert isinstance(place, PostgresPlace)
            backing = PostgresBacking(place, Path())
            try:
                backing.open()
                make_ready(backing.server)
            finally:
                backing.close()
            self._template = place.link["dbname"]
        return self._template


class _Ready:
    """One database, and a connection to it that empties it."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        self.url = url
        self._cluster = cluster
        self.link = psycopg.connect(url, autocommit=True)
        self._shape = self._now()
        self._rows = {
            name: rows
            for (name,) in self.link.execute(_TABLES).fetchall()
            if (rows := self.link.execute(f"SELECT * FROM {name}").fetchall())
        }

    def emptied(self) -> bool:
        """As it was at first. False: it is not, and cannot be used again."""
        until = time.monotonic() + _LEAVE_SECONDS
        while self._count() > 0:  # a connection that was closed is seen a moment later
            assert time.monotonic() < until, "the test left a connection to its database open"
            time.sleep(0.002)
        if self._now() != self._shape:
            return False
        with self.link.transaction():
            self.link.execute(_EMPTY)
            for name, rows in self._rows.items():
                for row in rows:
                    self.link.execute(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(row))})", row)
        return True

    def drop(self) -> None:
        self.link.close()
        self._cluster.drop(self.url)

    def _now(self) -> object:
        return self.link.execute(_SHAPE).fetchone()

    def _count(self) -> int:
        row = self.link.execute(_OTHERS).fetchone()
        assert row is not None
        return int(row[0])
