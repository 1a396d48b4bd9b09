"""Copies of the databases: made while they are used, looked at before anything is put back, and put back with the last state
kept aside. A backup is a tar of `pointsman.db` and, where asked for, `usage.db`, with their SHA-256 as
`sha256sum` writes it; a plain copy of the database is one, too.

The master key is in none of them: without it the stored keys of a backup are worth nothing. Not here: what a gateway does
after (control/restoring.py).
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import BaseModel
from sqlmodel import func, select

from ...config import DATABASE_FILE, USAGE_FILE
from ...errors import PointsmanError
from ...kinds import ErrorKind
from . import sealing, settings
from .backing import HEAD, known_revisions
from .database import Store
from .nouns import NOUNS
from .tables import Setting
from .usage import UsageStore

MEMBERS = (DATABASE_FILE, USAGE_FILE)
_SUMS = "SHA256SUMS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}\.(?:tar|db)", re.ASCII)
_SQLITE = b"SQLite format 3\0"
_PIECE = 1 << 20
_KINDS = {"table", "index"}


class Backup(BaseModel):
    """A file of the folder. with_usage: usage records are in it."""

    name: str
    made_at: datetime
    bytes: int
    with_usage: bool


class Inside(BaseModel):
    """What a backup was found to hold. revision: of its tables. same_gateway: it was made of this gateway's database.
    counts: rows by table. key_id: of the master key that its stored keys need; null where it has none."""

    revision: str
    same_gateway: bool
    with_usage: bool
    counts: dict[str, int]
    key_id: str | None


def listed(folder: Path) -> list[Backup]:
    """The newest first."""
    if not folder.is_dir():
        return []
    found = [_about(path) for path in folder.iterdir() if _NAME.fullmatch(path.name) and _plain(path)]
    return sorted(found, key=lambda one: one.made_at, reverse=True)


def path_of(folder: Path, name: str) -> Path:
    """Raises NOT_FOUND for whatever is no file of the folder."""
    path = folder / name
    if not _NAME.fullmatch(name) or not _plain(path):
        raise PointsmanError(ErrorKind.NOT_FOUND, f"There is no backup {name[:100]!r}.")
    return path


def make(store: Store, usage: UsageStore | None, folder: Path) -> Backup:
    """A tar in the folder, whole or not there at all. usage: with its records."""
    _private(folder)
    target = folder / f"pointsman-{HEAD}-{_stamp()}.tar"
    part = target.with_suffix(".part")
    try:
        with _scratch(folder) as scratch, open(_new(part), "wb") as out:
            store.backing.copy_to(scratch / DATABASE_FILE)
            if usage is not None:
                usage.copy_to(scratch / USAGE_FILE)
            names = MEMBERS[: 1 if usage is None else 2]
            sums = "".join(f"{_sum(scratch / name)}  {name}\n" for name in names)
            (scratch / _SUMS).write_text(sums, encoding="ascii")
            with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
                for name in (*names, _SUMS):
                    tar.add(scratch / name, name, filter=_nobody_s)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, target)
    except OSError as error:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE, f"The backup cannot be written: {error.strerror}. Nothing is left of it."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return _about(target)


@contextmanager
def incoming(folder: Path) -> Iterator[Path]:
    """An empty file that only its owner may read, for a backup that comes from elsewhere; gone after, unless it was kept."""
    _private(folder)
    path = folder / f".upload-{_stamp()}.part"
    os.close(_new(path))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def keep(part: Path, store: Store) -> Backup:
    """Puts one that has come among the others, once it was looked at. Raises INVALID that says what is wrong with it."""
    with unpacked(part, store):
        pass
    with part.open("rb") as file:
        plain = file.read(len(_SQLITE)) == _SQLITE
        os.fsync(file.fileno())
    target = part.parent / f"uploaded-{_stamp()}.{'db' if plain else 'tar'}"
    os.replace(part, target)
    return _about(target)


def aside(folder: Path) -> Path:
    """Where what is there now goes before something else is put in its place."""
    _private(folder)
    return folder / f"pointsman-{HEAD}-{_stamp()}-before-restore.db"


@contextmanager
def unpacked(path: Path, store: Store) -> Iterator[tuple[Inside, Path]]:
    """What is in a backup, and a folder with its files, of which the database is brought up to date; gone after. Raises
    INVALID that says what is wrong with the file."""
    with _scratch(path.parent) as scratch:
        try:
            _take_out(path, scratch)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise _no(f"it cannot be read ({error})") from None
        database = scratch / DATABASE_FILE
        if not database.exists():
            raise _no(f"there is no {DATABASE_FILE} in it")
        for name in MEMBERS:
            if (scratch / name).exists():
                _refuse_damage(scratch / name)
        yield _look(database, store, with_usage=(scratch / USAGE_FILE).exists()), scratch


def _take_out(path: Path, scratch: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            file.seek(0)
            _write(file, scratch / DATABASE_FILE)
            return
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.name not in (*MEMBERS, _SUMS) or not member.isreg() or member.issparse():
                raise _no(f"it holds {member.name[:60]!r}, which is no part of a backup")
            inside = tar.extractfile(member)
            assert inside is not None, "a regular member has content"
            _write(inside, scratch / member.name)
    _compare(scratch)


def _compare(scratch: Path) -> None:
    """What changed on a disk is a good page to a database where it is in a text. A tar without sums is taken as it is."""
    if not (scratch / _SUMS).exists():
        return
    said = (scratch / _SUMS).read_text(encoding="ascii", errors="replace").splitlines()
    for name in MEMBERS:
        there = (scratch / name).exists()
        if there != any(line.endswith(f"  {name}") for line in said):
            raise _no(f"{name} is in it or in {_SUMS} alone")
        if there and f"{_sum(scratch / name)}  {name}" not in said:
            raise _no(f"{name} in it is damaged: it is not as it was saved")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(source: IO[bytes], target: Path) -> None:
    with open(_new(target), "wb") as out:
        while piece := source.read(_PIECE):
            out.write(piece)


def _refuse_damage(path: Path) -> None:
    """Tables and indexes alone: a trigger or a view would do something when we write. Each page is looked at."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            raise _no(f"{path.name} in it is no database")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as looked:
            looked.execute("PRAGMA trusted_schema=OFF").close()
            looked.execute("PRAGMA cell_size_check=ON").close()
            kinds = looked.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
            odd = [
                name for kind, name, sql in kinds if kind not in _KINDS or "VIRTUAL" in (sql or "").upper()
            ]
            if odd:
                raise _no(f"{path.name} in it has {str(odd[0])[:60]!r}, which no Pointsman makes")
            if looked.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise _no(f"{path.name} in it is damaged")
    except sqlite3.Error as error:
        raise _no(f"{path.name} in it cannot be read ({error})") from None


def _look(database: Path, store: Store, *, with_usage: bool) -> Inside:
    with closing(sqlite3.connect(database)) as found:
        try:
            (revision,) = found.execute("SELECT version_num FROM alembic_version").fetchone()
            pepper = found.execute("SELECT value FROM settings WHERE key = ?", (settings.PEPPER,)).fetchone()
        except (sqlite3.Error, TypeError):
            raise _no("it is a database, and no Pointsman's") from None
    if pepper is None:
        raise _no("it is a database, and no Pointsman's")
    if revision not in known_revisions():
        raise _no(
            f"it was made by a newer Pointsman (tables {str(revision)[:20]}, this one knows {HEAD}); update first"
        )
    trial = Store.open_copy(database)  # brings its tables up to date, or says why that cannot be
    try:
        counts, key_id = _summary(trial)
    finally:
        trial.close()
    return Inside(
        revision=revision,
        same_gateway=store.is_whose(pepper[0]),
        with_usage=with_usage,
        counts=counts,
        key_id=key_id,
    )


def _summary(store: Store) -> tuple[dict[str, int], str | None]:
    with store.read() as session:
        counts = {
            noun.name: session.exec(select(func.count()).select_from(table)).one()
            for table, noun in NOUNS.items()
            if table is not Setting
        }
        sealed = [row.encrypted_api_key for row in sealing.sealed_rows(session)]
        sealed += [row.sealed_secret for row in sealing.sealed_webhooks(session)]
    return counts, next((one.key_id for one in sealed if one is not None), None)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for files that nobody else may read, on the same disk; gone after."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as made:
        yield Path(made)


def _about(path: Path) -> Backup:
    info = path.stat()
    with_usage = False
    if path.suffix == ".tar":
        with suppress(tarfile.TarError, OSError), tarfile.open(path, "r:") as tar:
            with_usage = USAGE_FILE in tar.getnames()[:2]
    return Backup(
        name=path.name,
        made_at=datetime.fromtimestamp(info.st_mtime, UTC),
        bytes=info.st_size,
        with_usage=with_usage,
    )


def _nobody_s(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode, member.mtime = 0o600, int(member.mtime)
    return member


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _new(path: Path) -> int:
    """The descriptor of a file that only its owner may read, and that was not there."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _no(what: str) -> PointsmanError:
    return PointsmanError(
        ErrorKind.INVALID, f"This is no backup that can be used: {what}. Nothing was changed."
    )
