"""One file, one connection: locked, full, gone, replaced and damaged files are said in our words, and recovered."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from pointsman.admin.store.sqlite import FileOptions, SqliteFile, version_problem
from pointsman.errors import PointsmanError


def prepare(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (x)")
    connection.commit()


def file_at(path: Path, *, make_again: bool = True, busy: float = 0.1) -> SqliteFile:
    return SqliteFile(path, FileOptions("The test file", "FULL", make_again, prepare, busy_seconds=busy))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    opened = file_at(tmp_path / "x.db")
    opened.open()
    yield opened
    opened.close()


def put(file: SqliteFile, value: object) -> None:
    with file.transaction(write=True) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (?)", (value,))


def count(file: SqliteFile) -> int:
    with file.transaction(write=False) as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one())


def test_pragmas(file: SqliteFile) -> None:
    with file.raw() as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete")
        }
    assert found == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 100, "secure_delete": 1,
    }  # fmt: skip


def test_every_file_beside_it_is_private(file: SqliteFile, tmp_path: Path) -> None:
    put(file, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"x.db": 0o600, "x.db-wal": 0o600, "x.db-shm": 0o600}


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_others_can_read_is_refused_with_the_fix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.db{suffix}"
    path.touch(mode=0o644)
    path.chmod(0o644)
    file = file_at(tmp_path / "x.db")
    with pytest.raises(PointsmanError, match="chmod 600"):
        file.open()
    file.close()


def test_an_error_inside_rolls_back(file: SqliteFile) -> None:
    with pytest.raises(KeyError), file.transaction(write=True) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        raise KeyError
    assert count(file) == 0


def test_a_transaction_inside_another_is_a_mistake_said_at_once(file: SqliteFile) -> None:
    with file.transaction(write=False):
        with pytest.raises(RuntimeError, match="wait for itself"), file.transaction(write=False):
            pass
    assert count(file) == 0, "and the lock is free again"


def test_after_commit_runs_only_when_it_is_on_disk(file: SqliteFile) -> None:
    ran: list[int] = []
    with file.transaction(write=True, after_commit=lambda: ran.append(1)) as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
        assert ran == []
    assert ran == [1]
    with pytest.raises(KeyError), file.transaction(write=True, after_commit=lambda: ran.append(2)):
        raise KeyError
    assert ran == [1]


def test_threads_take_turns(file: SqliteFile) -> None:
    threads = [threading.Thread(target=put, args=(file, n)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(file) == 20


def test_a_locked_file_is_unavailable_and_comes_back(file: SqliteFile, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with pytest.raises(PointsmanError, match="locked by another process") as caught:
        put(file, 1)
    assert (caught.value.status, caught.value.retry_after) == (503, 5)
    assert time.monotonic() - began < 3
    other.execute("ROLLBACK")
    other.close()
    put(file, 2)
    assert count(file) == 1


def test_a_queue_behind_a_busy_holder_gets_an_answer(file: SqliteFile) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with file.transaction(write=True):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    with pytest.raises(PointsmanError, match="is busy"):
        count(file)
    leave.set()
    thread.join()
    assert count(file) == 0


def test_a_vanished_file_that_can_be_missed_is_begun_anew(file: SqliteFile, tmp_path: Path) -> None:
    put(file, 1)
    (tmp_path / "x.db").unlink()
    put(file, 2)
    assert count(file) == 1
    assert stat.S_IMODE((tmp_path / "x.db").stat().st_mode) == 0o600


def test_a_vanished_file_that_cannot_be_missed_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    file = file_at(tmp_path / "x.db", make_again=False)
    file.open()
    put(file, 1)
    copy = tmp_path / "copy"
    with file.raw() as connection:
        target = sqlite3.connect(copy)
        connection.backup(target)
        target.close()
    (tmp_path / "x.db").unlink()
    for _ in range(2):
        with pytest.raises(PointsmanError, match="is gone; put it back"):
            put(file, 2)
    copy.chmod(0o600)
    copy.rename(tmp_path / "x.db")
    put(file, 3)
    assert count(file) == 2
    file.close()


def test_a_damaged_file_is_said_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"this is not a database" * 100)
    path.chmod(0o600)
    file = file_at(path)
    with pytest.raises(PointsmanError, match="put back a backup"):
        file.open()
    path.unlink()
    put(file, 1)
    assert count(file) == 1
    file.close()


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    file = file_at(tmp_path / "no" / "x.db")
    with pytest.raises(PointsmanError, match="cannot be opened"):
        file.open()
    file.close()


def test_a_closed_file_stays_closed(tmp_path: Path) -> None:
    file = file_at(tmp_path / "x.db")
    file.open()
    file.close()
    with pytest.raises(PointsmanError, match="closed"):
        count(file)


def test_our_own_sql_mistakes_are_not_called_trouble(file: SqliteFile) -> None:
    with (
        pytest.raises(Exception, match="no such table") as caught,
        file.transaction(write=False) as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM nowhere")
    assert not isinstance(caught.value, PointsmanError)
    assert count(file) == 0


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.admin.store.test_sqlite import count, file_at, put
from pointsman.errors import PointsmanError
file = file_at(Path(sys.argv[1]))
put(file, "small")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    put(file, "x" * 2_000_000)
    print("stored?")
except PointsmanError as error:
    print(error.status, error.retry_after)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
put(file, "y" * 2_000_000)
with file.raw() as connection:
    print(connection.execute("PRAGMA integrity_check").fetchone()[0])
print(count(file))
file.close()
"""


def test_a_full_disk_keeps_nothing_half_written_and_comes_back(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(tmp_path / "x.db")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.split() == ["503", "5", "ok", "2"], done.stderr


@pytest.mark.parametrize(
    ("version", "affected"),
    [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), False), ((3, 50, 7), False),
     ((3, 50, 6), True), ((3, 44, 6), False), ((3, 44, 5), True), ((3, 45, 9), True), ((4, 0, 0), False)],
)  # fmt: skip
def test_the_wal_reset_fault_is_known_by_version(version: tuple[int, int, int], affected: bool) -> None:
    problem = version_problem(version)
    assert (problem is not None) is affected
    if problem is not None:
        assert ".".join(map(str, version)) in problem
