"""Migrations: a private backup first, all or nothing, and they make what the tables say."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlmodel import SQLModel

from pointsman.admin.store import local_backends, mappings
from pointsman.admin.store.backing import HEAD
from pointsman.admin.store.database import Store
from pointsman.admin.store.migrations import head, known_revisions, upgrade
from pointsman.admin.store.tables import TABLES
from pointsman.errors import PointsmanError


def by_hand(data_dir: Path, *statements: str) -> None:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    connection = sqlite3.connect(data_dir / "pointsman.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    (data_dir / "pointsman.db").chmod(0o600)


def test_head_is_the_newest_migration() -> None:
    assert head() == HEAD
    assert HEAD in known_revisions()


def shape(connection: sa.Connection) -> dict[str, object]:
    inspector = sa.inspect(connection)
    found: dict[str, object] = {}
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        sql = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE name = ?", (table,)
        ).scalar_one()
        found[table] = {
            "columns": {column["name"]: _column(column) for column in inspector.get_columns(table)},
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(map(str, (u["column_names"] for u in inspector.get_unique_constraints(table)))),
            "checks": sorted((str(c["name"]), c["sqltext"]) for c in inspector.get_check_constraints(table)),
            "indexes": sorted((str(i["name"]), str(i["column_names"])) for i in inspector.get_indexes(table)),
            "autoincrement": "AUTOINCREMENT" in sql,
        }
    return found


def version(connection: sa.Connection) -> tuple[str, str]:
    """What it says, and how its table was made."""
    (found,) = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    (made,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'alembic_version'")
    return found[0], "".join(made[0].split())


def _column(column: ReflectedColumn) -> tuple[str, bool, str | None]:
    default = column.get("default")
    return str(column["type"]).split("(")[0], column["nullable"], default and default.strip("'")


@pytest.mark.parametrize("database_url", [None])
def test_the_migrations_make_what_the_tables_say_and_an_empty_file_gets(store: Store) -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        SQLModel.metadata.create_all(connection, TABLES)
        wanted = shape(connection)
    engine.dispose()
    with store.read() as session:
        assert shape(session.connection()) == wanted
        told = version(session.connection())
    migrated = sa.create_engine("sqlite://")
    with migrated.connect() as connection:
        upgrade(connection)
        assert shape(connection) == wanted
        assert version(connection) == told
    migrated.dispose()


def test_a_migration_is_preceded_by_a_private_backup(data_dir: Path) -> None:
    by_hand(data_dir, "CREATE TABLE notes (x)", "INSERT INTO notes VALUES ('kept')")
    store = Store.open(data_dir)
    with store.read() as session:
        assert session.connection().exec_driver_sql("SELECT x FROM notes").scalar_one() == "kept"
    store.close()
    (backup,) = (data_dir / "backups").iterdir()
    assert stat.S_IMODE((data_dir / "backups").stat().st_mode) == 0o700
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT x FROM notes").fetchone() == ("kept",)
    assert copy.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]
    copy.close()


def test_no_backup_is_made_of_nothing(data_dir: Path) -> None:
    Store.open(data_dir).close()
    Store.open(data_dir).close()
    assert not (data_dir / "backups").exists()


def test_a_migration_that_fails_changes_nothing_and_says_so(data_dir: Path) -> None:
    by_hand(data_dir, "CREATE TABLE settings (mine)")  # ours is made in the last step of the first migration
    with pytest.raises(PointsmanError, match="nothing in it was changed"):
        Store.open(data_dir)
    after = sqlite3.connect(data_dir / "pointsman.db")
    assert after.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("settings",)]
    after.close()


def test_a_newer_database_is_left_alone(data_dir: Path) -> None:
    Store.open(data_dir).close()
    by_hand(data_dir, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(PointsmanError, match="newer Pointsman"):
        Store.open(data_dir)
    assert not (data_dir / "backups").exists()


def at_revision(data_dir: Path, revision: str) -> sa.Engine:
    """A database as that version left it."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    (data_dir / "pointsman.db").touch(mode=0o600)
    engine = sa.create_engine(f"sqlite:///{data_dir / 'pointsman.db'}")
    with engine.connect() as connection:
        upgrade(connection, revision)
    return engine


def test_base_urls_with_a_path_mean_what_they_meant(data_dir: Path) -> None:
    """`/v1` was put behind every path once, and is written now where it is meant."""
    engine = at_revision(data_dir, "0003")
    with engine.begin() as connection:
        at = "'2026-01-01 00:00:00'"
        for number, (kind, url) in enumerate(
            [
                ("openai", "https://api.groq.com/openai"),
                ("openai", "https://gw.example"),
                ("anthropic", "https://api.z.ai/api/anthropic"),
            ]
        ):
            connection.exec_driver_sql(
                "INSERT INTO cloud_credentials (backend_type, name, base_url, encrypted_api_key, created_at, updated_at)"
                f" VALUES ('{kind}', 'n{number}', '{url}', '', {at}, {at})"
            )
        for number, url in enumerate(["http://127.0.0.1:9", "http://127.0.0.1:9/engine"]):
            connection.exec_driver_sql(
                "INSERT INTO local_backends (name, base_url, created_at, updated_at)"
                f" VALUES ('l{number}', '{url}', {at}, {at})"
            )
        connection.exec_driver_sql(
            "INSERT INTO cloud_credentials (backend_type, encrypted_api_key, created_at, updated_at)"
            f" VALUES ('openai', '', {at}, {at})"
        )
    engine.dispose()
    store = Store.open(data_dir)
    with store.read() as session:
        urls = session.exec(sa.text("SELECT base_url FROM cloud_credentials ORDER BY id")).all()  # type: ignore[call-overload]
        local = [one.base_url for one in local_backends.list_all(session)]
    store.close()
    assert [url for (url,) in urls] == [
        "https://api.groq.com/openai/v1", "https://gw.example", "https://api.z.ai/api/anthropic", None,
    ]  # fmt: skip
    assert local == ["http://127.0.0.1:9", "http://127.0.0.1:9/engine/v1"]


def test_rules_and_servers_of_the_first_version_are_kept_and_get_the_defaults(data_dir: Path) -> None:
    engine = at_revision(data_dir, "0001")
    with engine.begin() as connection:
        at = "'2026-01-01 00:00:00'"
        connection.exec_driver_sql(
            "INSERT INTO backend_mappings (model_pattern, backend_type, created_at, updated_at)"
            f" VALUES ('old-*', 'local', {at}, {at})"
        )
        connection.exec_driver_sql(
            f"INSERT INTO local_backends (name, base_url, created_at, updated_at) VALUES ('box', 'http://127.0.0.1:9', {at}, {at})"
        )
        connection.exec_driver_sql(
            "INSERT INTO cloud_credentials (backend_type, encrypted_api_key, created_at, updated_at)"
            f" VALUES ('openai', '', {at}, {at})"
        )
    engine.dispose()
    store = Store.open(data_dir)
    with store.read() as session:
        (rule,) = mappings.list_all(session)
        (server,) = local_backends.list_all(session)
        (number,) = session.exec(
            sa.text("SELECT count(*) FROM cloud_credentials WHERE max_in_flight IS NULL")
        )  # type: ignore[call-overload]
        assert number == (1,)
        assert (rule.model_pattern, rule.fallback_on, rule.hedge_seconds) == ("old-*", [], None)
        assert (server.name, server.max_in_flight, server.join_resends) == ("box", None, False)
    store.close()
    assert len(list((data_dir / "backups").iterdir())) == 1
