"""All of one gateway's database into another one: from a SQLite file into a PostgreSQL, back, or between two of a kind.

The source is not changed. Not here: rows (copying.py), and what lies in files of its own (bodies, recordings, engines).
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from ...config import DATABASE_FILE, LOCK_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import lock_folder
from . import backups, settings
from .backing import HEAD, revision_of
from .copying import counted
from .database import Store, backing_of, prepare_data_dir
from .database_url import PostgresPlace, database_place
from .sqlite import copy_database

Place = Path | PostgresPlace


class Moved(BaseModel):
    """source, target: for people. tables: rows by table, counted in the target. kept_aside: the file with what was in the
    target; null where there was nothing."""

    source: str
    target: str
    tables: dict[str, int]
    kept_aside: str | None


def move(source_url: str, target_url: str, data_dir: Path, *, replace: bool) -> Moved:
    """replace: what is in the target goes. Raises PointsmanError; the target is as it was then, but for empty tables."""
    source = database_place(data_dir, source_url, "--from")
    target = database_place(data_dir, target_url, "--to")
    if _address(source) == _address(target):
        raise PointsmanError(ErrorKind.INVALID, "--from and --to name the same database.")
    prepare_data_dir(data_dir)
    with ExitStack() as held:
        for place in (source, target):
            if isinstance(place, Path):
                held.enter_context(_held(place, data_dir))
        rules = Path(held.enter_context(tempfile.TemporaryDirectory(dir=data_dir))) / DATABASE_FILE
        _take(source, data_dir, rules)
        tables, aside = _put(target, data_dir, rules, replace=replace)
    kept = None if aside is None else str(aside)
    return Moved(source=_said(source), target=_said(target), tables=tables, kept_aside=kept)


def _take(place: Place, data_dir: Path, rules: Path) -> None:
    """Copies it into a SQLite file with tables of now; an update, where one is due, is the copy's alone."""
    if isinstance(place, Path):
        _copy_file(place, rules)
    else:
        _copy_server(place, data_dir, rules)
    store = Store.open_copy(rules)
    try:
        with store.read() as session:
            if settings.get(session, settings.PEPPER) is None:
                raise _nothing_in(place)
    finally:
        store.close()


def _copy_file(path: Path, target: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as found:
            if not found.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
                raise _nothing_in(path)
            copy_database(found, target)
    except sqlite3.Error as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"The database {path} cannot be read ({error}); nothing was copied."
        ) from None


def _copy_server(place: PostgresPlace, data_dir: Path, target: Path) -> None:
    """One without our tables is not given any."""
    store = Store(backing_of(place, data_dir))
    try:
        with store.backing.transaction(write=False) as connection:
            revision = revision_of(connection)
        if revision is None:
            raise _nothing_in(place)
        if revision != HEAD:
            raise PointsmanError(
                ErrorKind.UNAVAILABLE,
                f"{_said(place)} has tables of another version ({revision}, this one knows {HEAD}): start a gateway of this"
                " version on it, or copy with one of that version. Nothing was copied.",
            )
        _refuse_nodes(store)
        store.backing.copy_to(target)
    finally:
        store.close()


def _put(place: Place, data_dir: Path, rules: Path, *, replace: bool) -> tuple[dict[str, int], Path | None]:
    """(rows by table, the file with what was there)."""
    if isinstance(place, Path):
        prepare_data_dir(place.parent)
    store = Store(backing_of(place, data_dir))
    try:
        store.backing.open()
        _refuse_nodes(store)
        there = _counted(store)
        if any(there.values()) and not replace:
            raise PointsmanError(
                ErrorKind.CONFLICT,
                f"{_said(place)} has {sum(there.values()):,} rows already. --replace puts these in their place, and keeps"
                " those in a backup.",
                param="replace",
            )
        aside = backups.aside(store.backing.backups)
        try:
            store.backing.put_in(rules, aside)
        finally:
            if not any(there.values()):
                aside.unlink(missing_ok=True)
        tables = _counted(store)
    finally:
        store.close()
    _compare(tables, rules, place)
    return tables, aside if any(there.values()) else None


def _compare(tables: dict[str, int], rules: Path, place: Place) -> None:
    with closing(sqlite3.connect(rules)) as copied:
        for name, rows in tables.items():
            query = f"SELECT count(*) FROM {name}"  # noqa: S608 -- our own tables
            if copied.execute(query).fetchone() != (rows,):
                raise PointsmanError(
                    ErrorKind.UNAVAILABLE, f"Of {name} not every row is in {_said(place)}: try again."
                )


def _counted(store: Store) -> dict[str, int]:
    with store.backing.transaction(write=False) as connection:
        return counted(connection)


@contextmanager
def _held(path: Path, data_dir: Path) -> Iterator[None]:
    """That no gateway uses the file now, or begins to. Raises CONFLICT."""
    folder, locks = path.parent, ExitStack()
    if folder == data_dir.absolute() or (folder / LOCK_FILE).exists():
        lock = lock_folder(folder, LOCK_FILE)
        if lock is None:
            raise PointsmanError(
                ErrorKind.CONFLICT, f"A gateway or another command uses {folder}: stop it first."
            )
        locks.callback(os.close, lock)
    with locks:
        _refuse_open(path)
        yield


def _refuse_open(path: Path) -> None:
    """A gateway whose data folder is another one: its connection stands in the way of this, and nothing else does."""
    if not path.with_name(f"{path.name}-wal").exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=0.5)) as found:
            found.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError:
        raise PointsmanError(
            ErrorKind.CONFLICT, f"Another program has {path} open: stop that gateway first."
        ) from None
    except sqlite3.Error:
        pass  # it is damaged, which is said where it is read


def _refuse_nodes(store: Store) -> None:
    """Gateways that serve by it would not know that their rules went elsewhere, or were replaced."""
    if not store.backing.shared:
        return
    from . import nodes
    from .postgres_backing import PostgresBacking

    assert isinstance(store.backing, PostgresBacking), "nothing else is shared"
    with store.backing.server.raw() as link:
        live = [node.name for node in nodes.listed(link) if node.live]
    if live:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"{store.backing.said} is used by gateways ({', '.join(live)}): stop them first.",
        )


def _address(place: Place) -> tuple[str | None, ...]:
    if isinstance(place, Path):
        with suppress(OSError):
            place = place.resolve()
        return (str(place),)
    link = place.link
    return tuple(link.get(name) for name in ("host", "hostaddr", "port", "dbname", "options"))


def _said(place: Place) -> str:
    return str(place) if isinstance(place, Path) else place.said


def _nothing_in(place: Place) -> PointsmanError:
    return PointsmanError(
        ErrorKind.NOT_FOUND, f"{_said(place)} is no database of a gateway; nothing was copied."
    )
