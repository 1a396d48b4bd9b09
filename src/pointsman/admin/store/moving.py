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

from ...config import DATABASE_FILE, LOCK_FILE, USAGE_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...process.private_files import lock_folder
from . import backups, settings
from .backing import HEAD, revision_of
from .copying import counted
from .database import Store, backing_of, prepare_data_dir
from .database_url import PostgresPlace, database_place
from .sqlite import copy_database
from .usage import UsageStore
from .usage_file import UsageFile
from .usage_opening import open_usage
from .usage_query import Totals

Place = Path | PostgresPlace


class Moved(BaseModel):
    """source, target: for people. tables: rows by table, counted in the target. requests: that usage records tell of, there.
    kept_aside: the backup with what was in the target; null where there was nothing."""

    source: str
    target: str
    tables: dict[str, int]
    requests: int
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
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory(dir=data_dir)))
        usage = _take(source, data_dir, scratch)
        return _put(source, target, data_dir, scratch, usage, replace=replace)


def _take(place: Place, data_dir: Path, scratch: Path) -> Totals | None:
    """Copies it into two SQLite files with tables of now; an update, where one is due, is the copy's alone. What its usage
    records add up to; None where it has none."""
    if isinstance(place, Path):
        _copy_file(place, scratch / DATABASE_FILE)
        if place.with_name(USAGE_FILE).exists():
            with closing(sqlite3.connect(place.with_name(USAGE_FILE))) as found:
                copy_database(found, scratch / USAGE_FILE)
    else:
        _copy_server(place, data_dir, scratch)
    store = Store.open_copy(scratch / DATABASE_FILE)
    try:
        with store.read() as session:
            if settings.get(session, settings.PEPPER) is None:
                raise _nothing_in(place)
    finally:
        store.close()
    if not (scratch / USAGE_FILE).exists():
        return None
    with closing(UsageFile(scratch / USAGE_FILE)) as usage:
        return usage.totals()


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


def _copy_server(place: PostgresPlace, data_dir: Path, scratch: Path) -> None:
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
        store.backing.copy_to(scratch / DATABASE_FILE)
        with closing(open_usage(store, data_dir)) as usage:
            usage.copy_to(scratch / USAGE_FILE)
    finally:
        store.close()


def _put(
    source: Place, place: Place, data_dir: Path, scratch: Path, records: Totals | None, *, replace: bool
) -> Moved:
    if isinstance(place, Path):
        prepare_data_dir(place.parent)
    store = Store(backing_of(place, data_dir))
    try:
        store.backing.open()
        _refuse_nodes(store)
        with closing(open_usage(store, place.parent if isinstance(place, Path) else data_dir)) as usage:
            kept = _keep(store, usage, place, replace=replace)
            aside = backups.aside(store.backing.backups)
            try:
                store.backing.put_in(scratch / DATABASE_FILE, aside)
            finally:
                aside.unlink(missing_ok=True)  # it is in the backup
            if records is not None:
                usage.put_in(scratch / USAGE_FILE)
                if usage.totals() != records:
                    raise _not_all("the usage records", place)
            tables, requests = _counted(store), usage.totals().requests
    finally:
        store.close()
    _compare(tables, scratch / DATABASE_FILE, place)
    return Moved(source=_said(source), target=_said(place), tables=tables, requests=requests, kept_aside=kept)


def _keep(store: Store, usage: UsageStore, place: Place, *, replace: bool) -> str | None:
    """A backup of what is there; None where that is nothing."""
    there, requests = sum(_counted(store).values()), usage.totals().requests
    if not there and not requests:
        return None
    if not replace:
        raise PointsmanError(
            ErrorKind.CONFLICT,
            f"{_said(place)} has {there:,} rows already, and usage records of {requests:,} requests. --replace puts these in"
            " their place, and keeps those in a backup.",
            param="replace",
        )
    folder = store.backing.backups
    return str(folder / backups.make(store, usage, folder).name)


def _compare(tables: dict[str, int], rules: Path, place: Place) -> None:
    with closing(sqlite3.connect(rules)) as copied:
        for name, rows in tables.items():
            query = f"SELECT count(*) FROM {name}"  # noqa: S608 -- our own tables
            if copied.execute(query).fetchone() != (rows,):
                raise _not_all(name, place)


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


def _not_all(what: str, place: Place) -> PointsmanError:
    return PointsmanError(ErrorKind.UNAVAILABLE, f"Of {what} not everything is in {_said(place)}: try again.")


def _nothing_in(place: Place) -> PointsmanError:
    return PointsmanError(
        ErrorKind.NOT_FOUND, f"{_said(place)} is no database of a gateway; nothing was copied."
    )
