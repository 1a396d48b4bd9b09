"""`pointsman db copy`: whatever the tables can hold arrives as it was, there and back; ids and numbers go on; nothing is
replaced or taken from under a gateway."""

from __future__ import annotations

import fcntl
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pointsman.admin.store import credentials, mappings, nodes, settings
from pointsman.admin.store.audit_tables import AuditEntry
from pointsman.admin.store.columns import SealedText, UtcDateTime
from pointsman.admin.store.copying import copy_all
from pointsman.admin.store.database import Store
from pointsman.admin.store.moving import move
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.store.schemas import BackendMappingCreate, CloudCredentialCreate
from pointsman.admin.store.tables import TABLES
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.vault import Sealed
from pointsman.errors import PointsmanError
from pointsman.ledger.blocks import block_of
from tests.postgres import Cluster
from tests.postgres_ready import ReadyDatabases

from .test_usage import record

TEXTS = ("", "ä'\"\\ \u200b\U0001f600\n\t%s:x", "x" * 3000, " ", "Null", "\x01")
NUMBERS = (0, -(2**63), 2**63 - 1, 2**32 + 5, 7, 1)
FLOATS = (0.1, -1e300, 5e-324, 1e16 + 2, 0.0, 2.5)
TIMES = [datetime(2026, 3, 29, 1, 59, 59, 999_999, UTC) + timedelta(days=day, hours=day) for day in range(6)]
JSONS: tuple[Any, ...] = (
    {},
    [],
    {"z": [1, None, "ä\0"], "a": 1.5},
    ["x", True],
    {"deep": {"er": [{}]}},
    [-1],
)


@pytest.fixture
def url(ready_databases: ReadyDatabases) -> Iterator[str]:
    with ready_databases.lent() as lent:
        yield lent


def value(column: sa.Column[Any], row: int, key: int) -> Any:
    """Of that column in a table's row: something odd of its kind; every third NULL, where that may be."""
    if column.primary_key and isinstance(column.type, sa.Integer):
        return key
    if column.foreign_keys:
        return (3, 40, 500)[row % 3]
    if column.nullable and row % 3 == 2:
        return None
    if isinstance(column.type, sa.Enum):
        kinds = [one for one in column.type.enums if one != "local" or column.name != "backend_type"]
        return column.type.python_type(kinds[row % len(kinds)])
    if isinstance(column.type, SealedText):
        return Sealed(f"pm1.{'k' * 8}.{'ab' * 30}{row}")
    if isinstance(column.type, UtcDateTime):
        return TIMES[row]
    if isinstance(column.type, sa.LargeBinary):
        return bytes(range(256)) * 3 + bytes([row])
    kind = next(
        values
        for one, values in {
            sa.JSON: JSONS, sa.Boolean: (True, False) * 3, sa.Integer: NUMBERS, sa.Float: FLOATS, sa.String: TEXTS,
        }.items()
        if isinstance(getattr(column.type, "impl", column.type), one)
    )  # fmt: skip
    return kind[row]


def fill(connection: sa.Connection) -> None:
    """Rows in every table, with gaps between their ids, and the last of each gone again."""
    for table in TABLES:
        rows = [
            {column.name: value(column, row, key) for column in table.columns}
            for row, key in enumerate((3, 40, 500, 501, 7_000, 2**40))
        ]
        connection.execute(sa.insert(table), rows)
        last = table.autoincrement_column
        if last is not None and table.name != "audit_entries":
            connection.execute(sa.delete(table).where(last == 2**40))


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.backing.transaction(write=False) as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in TABLES
        }


@contextmanager
def opened(folder: Path, url: str | None) -> Iterator[Store]:
    store = Store.open(folder, url)
    try:
        yield store
    finally:
        store.close()


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_all_that_the_tables_can_hold_goes_there_and_back(tmp_path: Path, url: str) -> None:
    first, back = tmp_path / "one", tmp_path / "two"
    with opened(first, None) as store:
        with store.backing.transaction(write=True) as connection:
            fill(connection)
        wanted = everything(store)
    assert all(len(rows) >= 5 for rows in wanted.values())
    moved = move(sqlite_url(first / "pointsman.db"), url, first, replace=False)
    assert moved.tables == {name: len(rows) for name, rows in wanted.items()}
    assert moved.kept_aside is None
    with opened(first, url) as there:
        assert everything(there) == wanted
    again = move(url, sqlite_url(back / "pointsman.db"), back, replace=False)
    assert again.tables == moved.tables
    with opened(back, None) as store:
        assert everything(store) == wanted
        with store.write() as session:
            assert (mappings.create(session, rule()).id or 0) > 2**40, (
                "an id that was given once is not given again"
            )
    assert not [
        path for path in (*first.iterdir(), *back.iterdir()) if path.is_dir() and list(path.iterdir())
    ]


def rule(pattern: str = "m") -> BackendMappingCreate:
    return BackendMappingCreate(model_pattern=pattern, backend_type="openai")  # type: ignore[arg-type]


def test_numbers_go_on_in_both(tmp_path: Path, url: str) -> None:
    """The PostgreSQL gave the number of its first row again, as its sequences had not moved."""
    folder = tmp_path / "data"
    with opened(folder, None) as store, store.write() as session:
        numbers = [mappings.create(session, rule()).id for _ in range(3)]
        mappings.delete(session, numbers[2] or 0)
    move(sqlite_url(folder / "pointsman.db"), url, folder, replace=False)
    with opened(folder, url) as store:
        with store.write() as session:
            assert mappings.create(session, rule()).id == 4
            entry = session.exec(sa.select(sa.func.max(AuditEntry.id))).one()[0]  # type: ignore[call-overload]
        with store.write() as session:
            mappings.delete(session, 4)
        with store.read() as session:
            assert session.exec(sa.select(sa.func.max(AuditEntry.id))).one()[0] > entry  # type: ignore[call-overload]
    move(url, sqlite_url(tmp_path / "b" / "x.db"), folder, replace=False)
    with opened(tmp_path / "b", sqlite_url(tmp_path / "b" / "x.db")) as store, store.write() as session:
        assert mappings.create(session, rule()).id == 5


def test_stored_keys_open_and_client_keys_work_with_the_same_master_key(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "data"
    with opened(folder, None) as store:
        vault = open_vault(store, folder, {})
        with store.write() as session:
            credentials.put(session, vault, CloudCredentialCreate(backend_type="openai", api_key="sk-of-old"))  # type: ignore[arg-type]
            pepper = settings.pepper(session)
    move(sqlite_url(folder / "pointsman.db"), url, folder, replace=False)
    with opened(folder, url) as store:
        with store.read() as session:
            assert settings.pepper(session) == pepper, "client keys are known by it"
        assert open_vault(store, folder, {}).problem is None
        other = open_vault(store, tmp_path, {"POINTSMAN_MASTER_KEY": "11" * 32})
        assert other.problem is not None


def test_a_target_with_rows_needs_a_word_and_is_kept(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "data"
    with opened(folder, None) as store, store.write() as session:
        mappings.create(session, rule("from-the-file"))
    with opened(folder, url) as store, store.write() as session:
        mappings.create(session, rule("in-the-server"))
    at = (sqlite_url(folder / "pointsman.db"), url)
    for pair in (at, at[::-1]):
        with pytest.raises(
            PointsmanError, match=r"rows already, and usage records of 0 requests\. --replace"
        ):
            move(*pair, folder, replace=False)
    assert patterns(folder, url) == ["in-the-server"]
    kept = move(*at, folder, replace=True).kept_aside
    assert kept is not None
    assert patterns(folder, url) == ["from-the-file"]
    with tarfile.open(kept) as tar:
        assert tar.getnames() == ["pointsman.db", "usage.db", "SHA256SUMS"]
        database = tar.extractfile("pointsman.db")  # extract() has no filter before CPython 3.11.4
        assert database is not None
        (tmp_path / "kept").mkdir(0o700)
        (tmp_path / "kept" / "pointsman.db").touch(0o600)
        (tmp_path / "kept" / "pointsman.db").write_bytes(database.read())
    assert patterns(tmp_path / "kept", sqlite_url(tmp_path / "kept" / "pointsman.db")) == ["in-the-server"]
    assert [path.name for path in Path(kept).parent.iterdir()] == [Path(kept).name], (
        "and nothing else is left"
    )


def test_usage_records_come_along_and_are_added_up_the_same(tmp_path: Path, url: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    Store.open(one).close()
    with closing(UsageFile(one / "usage.db")) as usage:
        now = time.time()
        given = [
            record(
                number, at=now - number * 9000, key_id=number % 3 + 1, cost=10**8 * number + 1, input_tokens=7
            )
            for number in range(40)
        ]
        usage.add(block_of(given))
        wanted, by_key = usage.totals(), usage.spent_by_key(None)
        page, _ = usage.page(None, None, 100)
    moved = move(sqlite_url(one / "pointsman.db"), url, one, replace=False)
    assert moved.requests == wanted.requests == 40
    with pytest.raises(PointsmanError, match="usage records of 40 requests"):
        move(sqlite_url(one / "pointsman.db"), url, one, replace=False)
    assert move(url, sqlite_url(two / "pointsman.db"), two, replace=False).requests == 40
    with closing(UsageFile(two / "usage.db")) as usage:
        assert usage.totals() == wanted
        assert usage.spent_by_key(None) == by_key
        assert usage.page(None, None, 100)[0] == page
        assert usage.add(block_of(given)) == 0, "known by their ids"


def patterns(folder: Path, url: str) -> list[str]:
    with opened(folder, url) as store, store.read() as session:
        return [row.model_pattern for row in mappings.list_all(session)]


def test_what_a_gateway_uses_is_left_alone(tmp_path: Path, url: str) -> None:
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere.db"
    Store.open(folder).close()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for pair in (
            (sqlite_url(folder / "pointsman.db"), url),
            (url, sqlite_url(folder / "pointsman.db")),
        ):
            with pytest.raises(PointsmanError, match=f"uses {folder}: stop it first"):
                move(*pair, tmp_path / "other", replace=True)
    with opened(folder, sqlite_url(elsewhere)) as store:
        with store.write() as session:
            mappings.create(session, rule())
        with pytest.raises(PointsmanError, match="stop that gateway first"):
            move(sqlite_url(elsewhere), url, folder, replace=False)
    move(sqlite_url(elsewhere), url, folder, replace=False)
    with psycopg.connect(url, autocommit=True) as link:
        assert nodes.take(link, "n7", "x", 0, "1", "")
        for pair in ((sqlite_url(elsewhere), url), (url, sqlite_url(tmp_path / "new.db"))):
            with pytest.raises(PointsmanError, match=r"used by gateways \(n7\): stop them first"):
                move(*pair, folder, replace=True)


def test_what_is_no_database_of_a_gateway_is_not_taken_for_one(
    tmp_path: Path, cluster: Cluster, url: str
) -> None:
    folder = tmp_path / "data"
    empty = cluster.database()
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    (tmp_path / "text.db").write_text("no database " * 100)
    for source, words in (
        (empty, "is no database of a gateway"),
        (sqlite_url(tmp_path / "other.db"), "is no database of a gateway"),
        (sqlite_url(tmp_path / "text.db"), "cannot be read"),
        (sqlite_url(tmp_path / "nothing.db"), "cannot be read"),
        ("postgresql://u:canary@h", "^--from does not name a database"),
        (url, "name the same database"),
    ):
        with pytest.raises(PointsmanError, match=words):
            move(source, url, folder, replace=True)
    assert cluster.run("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", name_of(empty)) == []
    assert not (tmp_path / "nothing.db").exists()
    cluster.drop(empty)


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def test_an_older_file_is_brought_up_to_date_in_the_copy_alone(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "data"
    Store.open(folder).close()
    path = folder / "pointsman.db"
    with closing(sqlite3.connect(path)) as old:
        old.execute("ALTER TABLE local_backends DROP COLUMN node")
        old.execute("ALTER TABLE client_keys DROP COLUMN cache_seconds")
        old.execute("ALTER TABLE client_keys DROP COLUMN cache_any_temperature")
        old.execute("UPDATE alembic_version SET version_num = '0023'")
        old.commit()
    move(sqlite_url(path), url, folder, replace=False)
    with closing(sqlite3.connect(path)) as old:
        assert old.execute("SELECT version_num FROM alembic_version").fetchone() == ("0023",)
    with opened(folder, url) as store, store.read() as session:
        assert settings.get(session, settings.PEPPER)


def test_what_postgresql_cannot_store_is_named_and_nothing_is_copied(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "data"
    with opened(folder, None) as store, store.write() as session:
        settings.put(session, "odd", "a\0b")
    with pytest.raises(PointsmanError, match=r"settings holds what .*NUL character at key 'odd'"):
        move(sqlite_url(folder / "pointsman.db"), url, folder, replace=False)
    with psycopg.connect(url) as link:
        assert link.execute("SELECT count(*) FROM settings").fetchone() == (0,)


def test_one_that_breaks_off_leaves_the_target_as_it_was(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    with opened(folder, None) as store, store.write() as session:
        mappings.create(session, rule("new"))
    with opened(folder, url) as store, store.write() as session:
        mappings.create(session, rule("old"))

    def breaks(source: sa.Connection, target: sa.Connection) -> None:
        copy_all(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr("pointsman.admin.store.postgres_backing.copy_all", breaks)
    with pytest.raises(KeyboardInterrupt):
        move(sqlite_url(folder / "pointsman.db"), url, folder, replace=True)
    monkeypatch.undo()
    assert patterns(folder, url) == ["old"]
