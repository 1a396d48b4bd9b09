"""What a Store asks of the database that it lies in: a SQLite file (sqlite_backing.py) or a PostgreSQL
(postgres_backing.py). Not here: rows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol as TypingProtocol

from sqlalchemy import Connection, inspect

from ...errors import PointsmanError
from ...kinds import ErrorKind

VERSIONS = Path(__file__).parent / "migrations" / "versions"
HEAD = max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))
"""The newest migration, by its file's name: alembic is imported only when one is due."""

OLDEST = "0024"
"""The oldest Pointsman, by its newest migration, that works with the tables as the newest one leaves them: gateways of two
versions serve on one PostgreSQL while they are updated one by one. A migration that only adds what has a default leaves it
as it is; what takes something away raises it, and comes a version after nobody uses that any longer."""


class Backing(TypingProtocol):
    """said: where it is, for people. backups: their folder. shared: other gateways may use it at the same time. whose: the
    pepper of the gateway that it belongs to, once that is known; another gateway's in its place is refused."""

    said: str
    backups: Path
    shared: bool
    whose: str | None

    def is_empty(self) -> bool:
        """Whether nothing of a gateway is in it. Makes nothing, and needs no open()."""

    def open(self) -> None:
        """Makes what is missing and brings its tables up to date. Raises PointsmanError with the fix."""

    def close(self) -> None: ...

    def transaction(
        self, *, write: bool, after_commit: Callable[[], None] | None = None
    ) -> AbstractContextManager[Connection]:
        """All or nothing; one that writes is the only one that does, anywhere. after_commit: run when the change is kept."""

    def integrity(self) -> list[str]:
        """What its own check finds; empty when all is well."""

    def copy_to(self, target: Path) -> None:
        """Into a new SQLite file, as it is between two changes."""

    def put_in(self, source: Path, aside: Path) -> None:
        """Everything as the SQLite file `source` has it, whose tables are up to date, in one step; what was there is kept
        in `aside`."""

    def settle(self) -> None:
        """Nothing of what was changed stays readable where it stood before."""

    def version(self, connection: Connection) -> int:
        """Of what it holds: greater after every change. 0 where no other gateway changes it."""


def known_revisions() -> set[str]:
    """Of migrations, older ones too."""
    from . import migrations

    return migrations.known_revisions()


def revision_of(connection: Connection) -> str | None:
    """Of its tables; None: it has none of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def has_tables(connection: Connection) -> bool:
    return bool(inspect(connection).get_table_names())


def newer(revision: str) -> PointsmanError:
    return PointsmanError(
        ErrorKind.UNAVAILABLE,
        f"The database was written by a newer Pointsman (its tables are at {revision}, this one knows"
        f" {HEAD}); update Pointsman, or put back a backup from before.",
    )


def another_gateways() -> PointsmanError:
    return PointsmanError(
        ErrorKind.UNAVAILABLE,
        "The database was replaced by one that is not this gateway's; put back your own, or stop the gateway first.",
        retry_after=5,
    )
