"""The store on disk: modes, transactions, what the database itself refuses, durability under kill -9."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from pointsman.admin.store import mappings, settings
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.admin.store.tables import Setting
from pointsman.errors import PointsmanError
from tests.children import child

from .conftest import ByHand

AT = "2026-01-01 00:00:00"


def rule(pattern: str = "m") -> BackendMappingCreate:
    return BackendMappingCreate(model_pattern=pattern, backend_type="openai")  # type: ignore[arg-type]


def test_it_makes_a_private_folder_and_files(data_dir: Path) -> None:
    before = os.umask(0)
    try:
        store = Store.open(data_dir)
    finally:
        os.umask(before)
    with store.write() as session:
        mappings.create(session, rule())
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()} == {0o600}
    store.close()


def test_an_open_folder_is_refused_with_the_fix(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    with pytest.raises(PointsmanError, match="chmod 700"):
        Store.open(data_dir)
    assert list(data_dir.iterdir()) == []


def test_an_open_database_is_refused_with_the_fix(data_dir: Path) -> None:
    Store.open(data_dir).close()
    (data_dir / "pointsman.db").chmod(0o640)
    with pytest.raises(PointsmanError, match="chmod 600"):
        Store.open(data_dir)


def test_a_folder_that_is_a_file_is_said(data_dir: Path) -> None:
    data_dir.write_text("")
    with pytest.raises(PointsmanError, match="--data-dir"):
        Store.open(data_dir)


def test_it_is_wal_and_synchronous_full(data_dir: Path) -> None:
    store = Store.open(data_dir)
    with store.read() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 5000
    store.close()


def test_what_is_written_is_there_after_a_restart(data_dir: Path) -> None:
    store = Store.open(data_dir)
    with store.write() as session:
        number = mappings.create(session, rule("kept")).id
        pepper = settings.pepper(session)
    store.close()
    store = Store.open(data_dir)
    with store.read() as session:
        assert number is not None
        assert mappings.get(session, number).model_pattern == "kept"
        assert settings.pepper(session) == pepper
    store.close()


def test_an_error_rolls_the_whole_block_back(store: Store) -> None:
    with pytest.raises(KeyError), store.write() as session:
        mappings.create(session, rule())
        raise KeyError
    with store.read() as session:
        assert mappings.list_all(session) == []


def test_a_read_keeps_nothing(store: Store) -> None:
    with store.read() as session:
        session.add(Setting(key="k", value="v"))
        session.flush()
    with store.read() as session:
        assert settings.get(session, "k") is None


def test_rows_are_readable_after_the_block(store: Store) -> None:
    with store.write() as session:
        row = mappings.create(session, rule())
    assert (row.model_pattern, row.priority) == ("m", 0)


def test_no_error_text_holds_a_value(store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, store.write() as session:
        for _ in range(2):
            session.add(Setting(key="k", value="sk-canary"))
            session.flush()
            session.expunge_all()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://user:canary@host", "postgresql://user:canary@host/db?sslmode=require", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "nonsense",
     "sqlite+aiosqlite:///x.db", "sqlite:///file:x.db?uri=true"],
)  # fmt: skip
def test_another_database_is_refused_without_quoting_the_url(data_dir: Path, url: str) -> None:
    with pytest.raises(PointsmanError, match="sqlite:////path") as caught:
        Store.open(data_dir, url)
    assert "canary" not in caught.value.public


def test_a_sqlite_url_names_the_file(data_dir: Path, tmp_path: Path) -> None:
    store = Store.open(data_dir, f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert (tmp_path / "elsewhere.db").stat().st_size > 0
    assert not (data_dir / "pointsman.db").exists()
    store.close()


def test_opening_again_is_quick_and_needs_no_migration_tool(data_dir: Path) -> None:
    Store.open(data_dir).close()
    code = (
        "import sys, time; from pathlib import Path; from pointsman.admin.store.database import Store;"
        "t = time.perf_counter(); s = Store.open(Path(sys.argv[1])); print(time.perf_counter() - t); s.close();"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(data_dir)], capture_output=True, text=True, check=True
    )
    seconds, imported = done.stdout.split()
    assert float(seconds) < 0.3
    assert imported == "False"


def test_integrity(store: Store) -> None:
    with store.write() as session:
        mappings.create(session, rule("kept"))
    assert store.backing.integrity() == []


WRITER = """
import sys
from pathlib import Path
from pointsman.admin.store import mappings
from pointsman.admin.store.database import Store
from pointsman.admin.store.schemas import BackendMappingCreate
store = Store.open(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    with store.write() as session:
        row = mappings.create(session, BackendMappingCreate(model_pattern="m" * 200, backend_type="openai"))
    print(row.id, flush=True)
"""


def test_killing_the_writer_loses_nothing_it_had_answered(data_dir: Path) -> None:
    answered: list[int] = []
    for turn in range(5):
        words = [sys.executable, "-c", WRITER, str(data_dir)]
        with child(words, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.1 + turn * 0.037)
            writer.send_signal(signal.SIGKILL)
            said = writer.stdout.read().split("\n")[:-1]
        answered += map(int, said)
        store = Store.open(data_dir)
        assert store.backing.integrity() == []
        with store.read() as session:
            kept = {row.id for row in mappings.list_all(session)}
        store.close()
        assert set(answered) <= kept
    assert len(answered) > 5


def test_ids_are_never_given_twice(store: Store) -> None:
    with store.write() as session:
        first = mappings.create(session, rule())
        assert first.id is not None
        mappings.delete(session, first.id)
    with store.write() as session:
        assert mappings.create(session, rule()).id != first.id


def test_the_database_refuses_what_is_no_type(by_hand: ByHand) -> None:
    columns = "(model_pattern, backend_type, fallback_backend, created_at, updated_at)"
    for values in (f"('m', 'OPENAI', NULL, '{AT}', '{AT}')", f"('m', 'openai', 'nowhere', '{AT}', '{AT}')"):
        with pytest.raises(sa.exc.IntegrityError, match=r"(?i)check constraint"):
            by_hand(f"INSERT INTO backend_mappings {columns} VALUES {values}")


def test_the_database_refuses_a_local_credential(by_hand: ByHand) -> None:
    insert = (
        "INSERT INTO cloud_credentials (backend_type, encrypted_api_key, created_at, updated_at)"
        f" VALUES ('local', 'pm1.a.b', '{AT}', '{AT}')"
    )
    with pytest.raises(sa.exc.IntegrityError, match=r"(?i)check constraint"):
        by_hand(insert)


def test_settings_are_replaced_by_key(store: Store) -> None:
    with store.write() as session:
        settings.put(session, "k", "one")
        settings.put(session, "k", "two")
    with store.read() as session:
        assert settings.get(session, "k") == "two"
        assert settings.get(session, "other") is None
        assert len(settings.pepper(session)) == 32
