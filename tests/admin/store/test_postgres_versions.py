"""Gateways of two versions on one PostgreSQL, as they are updated one by one; and one migration, whoever starts meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config

from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.store import mappings, migrations, postgres_backing
from pointsman.admin.store.backing import HEAD
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.errors import PointsmanError
from tests.children import child
from tests.postgres import Cluster
from tests.postgres_ready import ReadyDatabases

NEXT = "9998"
MIGRATION = f'''
"""Of a test: slow, and counted."""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE IF NOT EXISTS migrated (at timestamptz)")
    op.execute("INSERT INTO migrated VALUES (now())")
    op.add_column("backend_mappings", sa.Column("weight", sa.Integer(), nullable=False, server_default="7"))
    op.add_column("backend_mappings", sa.Column("colour", sa.String(), nullable=False, server_default="red"))
    op.execute("SELECT pg_sleep(SECONDS)")
'''


@pytest.fixture
def url(cluster: Cluster, ready_databases: ReadyDatabases, tmp_path: Path) -> Iterator[str]:
    """With a rule in it."""
    with ready_databases.lent() as lent:
        store = Store.open(tmp_path / "first", lent)
        with store.write() as session:
            mappings.create(session, rule("old"))
        store.close()
        yield lent


@pytest.fixture
def run(cluster: Cluster, url: str) -> Any:
    name = url.partition("@/")[2].partition("?")[0]
    return lambda statement: cluster.run(statement, name)


def rule(pattern: str) -> BackendMappingCreate:
    return BackendMappingCreate(model_pattern=pattern, backend_type="openai")  # type: ignore[arg-type]


def test_tables_of_a_newer_version_are_served_and_written(url: str, run: Any, tmp_path: Path) -> None:
    """By gateways that were there before, and by one that starts."""
    environ = {"POINTSMAN_DATABASE_URL": url}
    before = ControlPlane.open(tmp_path / "before", environ)
    try:
        with before.read() as session:
            mappings.list_all(session)
        run("ALTER TABLE backend_mappings ADD COLUMN weight bigint NOT NULL DEFAULT 7")
        run("CREATE TABLE of_later (x text)")
        run("UPDATE alembic_version SET version_num = '9999'")
        run(f"UPDATE shared_state SET oldest = '{HEAD}'")
        with before.change() as session:
            mappings.create(session, rule("by-one-from-before"))
        (tmp_path / "after").mkdir(mode=0o700)
        (tmp_path / "after" / "master.key").write_bytes((tmp_path / "before" / "master.key").read_bytes())
        (tmp_path / "after" / "master.key").chmod(0o600)
        after = ControlPlane.open(tmp_path / "after", environ)
        try:
            with after.change() as session:
                mappings.create(session, rule("by-one-that-started"))
            patterns = {spec.pattern for spec in after.snapshot.mappings}
            assert patterns == {"old", "by-one-from-before", "by-one-that-started"}
        finally:
            after.close()
        before.store.backing.copy_to(tmp_path / "copy.db")
    finally:
        before.close()
    assert run("SELECT DISTINCT weight FROM backend_mappings") == [(7,)]
    assert run("SELECT version_num FROM alembic_version") == [("9999",)]


def test_tables_that_serve_it_no_longer_are_refused(url: str, run: Any, tmp_path: Path) -> None:
    run("UPDATE alembic_version SET version_num = '9999'")
    run("UPDATE shared_state SET oldest = '9998'")
    with pytest.raises(PointsmanError, match=r"written by a newer Pointsman .*9999.*; update Pointsman"):
        Store.open(tmp_path / "data", url)
    assert run("SELECT version_num FROM alembic_version") == [("9999",)]


def test_the_tables_of_the_last_version_get_what_is_new(url: str, run: Any, tmp_path: Path) -> None:
    run("ALTER TABLE local_backends DROP COLUMN node")
    run("UPDATE alembic_version SET version_num = '0024'")
    Store.open(tmp_path / "data", url).close()
    kind = "SELECT data_type, collation_name FROM information_schema.columns WHERE column_name = 'node'"
    assert run(f"{kind} AND table_name = 'local_backends'") == [("text", "C")]
    assert run("SELECT version_num, oldest FROM alembic_version, shared_state") == [(HEAD, "0024")]


def be_newer(folder: Path, seconds: float) -> None:
    """From now on this process is a Pointsman with one migration more."""
    folder.mkdir(exist_ok=True)
    (folder / f"{NEXT}_of_a_test.py").write_text(MIGRATION.replace("SECONDS", str(seconds)))
    known = migrations._config

    def config() -> Config:
        made = known()
        own = Path(migrations.__file__).parent / "versions"
        made.set_main_option("version_locations", f"{own}:{folder}")
        return made

    migrations._config = config
    postgres_backing.HEAD = NEXT  # type: ignore[attr-defined]


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """be_newer(), taken back at the end."""
    monkeypatch.setattr(migrations, "_config", migrations._config)
    monkeypatch.setattr(postgres_backing, "HEAD", HEAD)
    return be_newer


def test_of_gateways_that_start_at_once_one_migrates_and_the_others_wait(
    url: str, run: Any, newer: Any, tmp_path: Path
) -> None:
    where = "SELECT pg_relation_filenode('backend_mappings')"
    before = run(where)
    newer(tmp_path / "versions", 0.5)
    opened: list[str] = []

    def start(name: str) -> None:
        store = Store.open(tmp_path / name, url)
        with store.write() as session:
            mappings.create(session, rule(name))
        opened.append(name)
        store.close()

    threads = [threading.Thread(target=start, args=(f"n{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(opened) == ["n0", "n1", "n2"]
    assert run("SELECT count(*) FROM migrated") == [(1,)]
    assert run("SELECT version_num, oldest FROM alembic_version, shared_state") == [(NEXT, "0024")]
    assert run("SELECT count(DISTINCT model_pattern), min(weight), min(colour) FROM backend_mappings") == [
        (4, 7, "red")
    ]
    kinds = "SELECT data_type, collation_name FROM information_schema.columns WHERE column_name IN ('weight', 'colour')"
    assert sorted(run(kinds), key=repr) == [("bigint", None), ("text", "C")], "as all other columns"
    assert run(where) == before, (
        "a table that is written anew is empty to older gateways that read it meanwhile"
    )


STARTING = """
import sys
from pathlib import Path
from pointsman.admin.store.database import Store
from tests.admin.store.test_postgres_versions import be_newer
be_newer(Path(sys.argv[1]), 600)
Store.open(Path(sys.argv[2]), sys.argv[3])
"""


def test_a_migrator_that_is_killed_leaves_nothing_and_the_next_one_does_it(
    url: str, run: Any, newer: Any, tmp_path: Path
) -> None:
    """It kept the next one waiting until the server noticed."""
    asleep = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)%'"
    )
    words = [sys.executable, "-c", STARTING, str(tmp_path / "v"), str(tmp_path / "killed"), url]
    with child(words, stdout=subprocess.DEVNULL) as started:
        until = time.monotonic() + 60
        while len(run(asleep)) < 2:  # one is the asker
            assert started.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        started.send_signal(signal.SIGKILL)
        started.wait(10)
    newer(tmp_path / "versions", 0)
    store = Store.open(tmp_path / "next", url)
    with store.read() as session:
        assert [row.model_pattern for row in mappings.list_all(session)] == ["old"]
        assert session.connection().scalar(sa.text("SELECT count(*) FROM migrated")) == 1
    store.close()
