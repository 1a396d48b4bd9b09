"""Where the database is, as its URL says: a SQLite file, or a PostgreSQL and how its link is guarded.

No URL is quoted in an error: it may hold a password. Not here: connections (sqlite.py, postgres.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ...config import DATABASE_FILE, DATABASE_VARIABLE
from ...errors import PointsmanError
from ...kinds import ErrorKind

_POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_VERIFIED = "verify-full"
_ELSEWHERE = ("service", "servicefile")
"""Options that take the host from a file: who it is that is asked would not be known here."""
_OPTION = re.compile(r"[a-z_]{1,40}", re.ASCII)
_LINK = {
    "connect_timeout": "5",
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
    "tcp_user_timeout": "4000",
    "target_session_attrs": "read-write",
    "gssencmode": "disable",
}
"""A server that is cut off is noticed within 4 s, with a query under way, too; a replica is not taken for the primary."""


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """A PostgreSQL. link: what libpq is told, with a user's password where the URL has one. said: for people, without."""

    link: Mapping[str, str]
    said: str

    def __repr__(self) -> str:
        return f"PostgresPlace({self.said})"


class _BadUrl(Exception):
    """What is wrong with it, as the end of a sentence about it."""


def database_place(data_dir: Path, url: str | None, named: str = DATABASE_VARIABLE) -> Path | PostgresPlace:
    """The file of a SQLite database, or a PostgreSQL. named: where the URL comes from. Raises PointsmanError INVALID."""
    if not url:
        return data_dir / DATABASE_FILE
    try:
        return _place(url)
    except _BadUrl as bad:
        raise PointsmanError(ErrorKind.INVALID, f"{named} {bad}.", param="database_url") from None


def _place(url: str) -> Path | PostgresPlace:
    if url.startswith("postgres://"):
        url = "postgresql" + url[len("postgres") :]  # libpq takes both
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _bad_url("is not a database URL") from None
    if parsed.drivername in _POSTGRES:
        return _postgres(parsed)
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise _bad_url(f"names {parsed.drivername}, which is not supported")
    if (
        not parsed.database
        or parsed.database == ":memory:"
        or parsed.database.startswith("file:")
        or parsed.query
    ):
        raise _bad_url("does not name a file")
    return Path(parsed.database).absolute()


def backups_of(place: Path | PostgresPlace, data_dir: Path) -> Path:
    """The folder with its backups: beside a file, else in the data folder."""
    return (place.parent if isinstance(place, Path) else data_dir) / BACKUP_FOLDER


BACKUP_FOLDER = "backups"


def _postgres(url: URL) -> PostgresPlace:
    defaults, known = _libpq()
    given: dict[str, str] = {}
    _refuse_options([name for name in url.query if name not in known])
    for name, value in url.query.items():
        if not isinstance(value, str):
            raise _bad_url(f"says {name} twice")
        if name in _ELSEWHERE:
            raise _bad_url(f"names a {name}; write what it says into the URL")
        given[name] = value
    parts = {
        "host": url.host,
        "port": None if url.port is None else str(url.port),
        "dbname": url.database,
        "user": url.username,
        "password": None if url.password is None else str(url.password),
    }
    for name, part in parts.items():
        if part:
            if name in given:
                raise _bad_url(f"says {name} twice")
            given[name] = part
    if not given.get("dbname"):
        raise _bad_url("does not name a database")
    effective = defaults | given
    hosts = _hosts(effective)
    guarded = given if all(map(_is_here, hosts)) else given | _verified(effective)
    return PostgresPlace(_LINK | guarded, _said(hosts, effective))


def _refuse_options(unknown: list[str]) -> None:
    """With their names; what is no word may be part of a password."""
    if not unknown:
        return
    words = sorted(name for name in unknown if _OPTION.fullmatch(name))
    if len(words) < len(unknown):
        raise _bad_url("has something behind its ? that is no option")
    several = "options" if len(words) > 1 else "an option"
    raise _bad_url(f"has {several} that PostgreSQL's library does not know: {', '.join(words)}")


def _libpq() -> tuple[dict[str, str], set[str]]:
    """What libpq takes from the environment where the URL is silent (PGHOST, PGSSLMODE, a service file); its options."""
    try:
        from psycopg import pq
    except ImportError:
        raise _BadUrl(
            "names a PostgreSQL, and its driver is not installed; run: pip install 'pointsman[postgres]'"
        ) from None
    found = pq.Conninfo.get_defaults()
    return {one.keyword.decode(): one.val.decode() for one in found if one.val}, {
        one.keyword.decode() for one in found
    }


def _hosts(effective: Mapping[str, str]) -> list[str]:
    """Whom it would connect to: an address counts before the name beside it; none at all is a Unix socket."""
    named = effective.get("hostaddr") or effective.get("host") or ""
    return [one.strip() for one in named.split(",")]


def _is_here(host: str) -> bool:
    """A Unix socket, or this computer's own loopback."""
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _verified(effective: Mapping[str, str]) -> dict[str, str]:
    """libpq's own default, `prefer`, takes any certificate and goes on without one; with Kerberos it would not ask for
    one."""
    mode = effective.get("sslmode", "")
    if mode not in ("", "prefer", _VERIFIED):
        raise _bad_url(
            f"asks for sslmode={mode} to another computer, which does not say who answers there: write"
            f" sslmode={_VERIFIED}, with sslrootcert=/path/to/ca.pem where its authority is your own"
        )
    return {
        "sslmode": _VERIFIED,
        "sslrootcert": effective.get("sslrootcert") or "system",
        "gssencmode": "disable",
    }


def _said(hosts: list[str], effective: Mapping[str, str]) -> str:
    where = ",".join(one or "the local socket" for one in hosts)
    port = effective.get("port", "")
    at = f"{where}:{port}" if port and hosts[0] and not hosts[0].startswith("/") else where
    return f"PostgreSQL at {at}, database {effective['dbname']}"


def _bad_url(what: str) -> _BadUrl:
    return _BadUrl(f"{what}. Write sqlite:////path/to/file.db or postgresql://user@host/database")
