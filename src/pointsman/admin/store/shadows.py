"""What came of shadows, in a file of its own: numbers that a report is made of, and nothing that is needed to serve. So it
is in no backup, and a vanished file is begun anew. Not here: what a report says of them (control/shadow_report.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...ledger.shadows import Comparison, NotAsked
from ...link.messages import Shadowed
from ...process.private_files import mode_problem
from .sqlite import FileOptions, SqliteFile

FILE = "shadows.db"
MOST = 20_000
"""Comparisons, and sums of what was not asked; beyond it the oldest go. About 2 MB, which a report reads in a third of a
second."""
HOUR = 3600
_VERSION = 1
_NAMES = Comparison.__struct_fields__
_TEXTS = ("request", "model", "cloud", "local", "protocol", "failed", "stop", "local_stop")
_REALS = ("at", "likeness", "first_ms", "local_first_ms", "total_ms", "local_total_ms")
_SWITCHES = ("stream", "tools", "arguments", "structured", "refused", "local_refused")

_metadata = sa.MetaData()


def _type(name: str) -> Any:
    if name in _TEXTS:
        return sa.Text()
    return sa.Float() if name in _REALS else sa.Boolean() if name in _SWITCHES else sa.Integer()


_compared = sa.Table(
    "compared",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(name, _type(name), nullable=True) for name in _NAMES),
    sa.Index("compared_at", "at"),
)
_not_asked = sa.Table(
    "not_asked",
    _metadata,
    sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mapping_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("local", sa.Text, primary_key=True),
    sa.Column("why", sa.Text, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
)
"""Sums by hour: there may be many a second."""
_ADD = (
    "INSERT INTO not_asked (hour, mapping_id, model, local, why, count) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET count = count + excluded.count"
)
_BOUND = "DELETE FROM not_asked WHERE rowid <= (SELECT max(rowid) FROM not_asked) - ?"


class ShadowStore:
    """Raises PointsmanError UNAVAILABLE while the file cannot be used. Every method may be called from any thread."""

    def __init__(self, data_dir: Path) -> None:
        """Opens at first use. Raises PointsmanError at once when others can read the file."""
        path = data_dir / FILE
        problem = mode_problem(path) if path.exists() else None
        if problem is not None:
            raise PointsmanError(ErrorKind.UNAVAILABLE, f"{problem}.")
        self._path = path
        options = FileOptions("The database of shadows", "NORMAL", make_again=True, prepare=_prepare)
        self._file = SqliteFile(path, options)

    @property
    def begun(self) -> bool:
        """Was anything ever told?"""
        return self._path.exists()

    def add(self, told: Shadowed) -> None:
        """What a process tells."""
        rows = [msgspec.structs.asdict(one) for one in told.compared]
        with self._file.transaction(write=True) as connection:
            if rows:
                connection.execute(sa.insert(_compared), rows)
                newest = sa.select(sa.func.max(_compared.c.id)).scalar_subquery()
                connection.execute(sa.delete(_compared).where(_compared.c.id <= newest - MOST))
            for one in told.not_asked:
                what = (one.mapping_id, one.model, one.local, one.why, one.count)
                connection.exec_driver_sql(_ADD, (int(one.at // HOUR), *what))
            if told.not_asked:
                connection.exec_driver_sql(_BOUND, (MOST,))

    def compared(self, since: float | None = None, model: str | None = None) -> list[Comparison]:
        """Oldest first. since: unix seconds; model: the name that clients asked for."""
        query = sa.select(*(_compared.c[name] for name in _NAMES)).order_by(_compared.c.id)
        if since is not None:
            query = query.where(_compared.c.at >= since)
        if model is not None:
            query = query.where(_compared.c.model == model)
        return [Comparison(*row) for row in self._read(query)]

    def not_asked(self, since: float | None = None, model: str | None = None) -> list[NotAsked]:
        """Sums; since: of the hours from the one in which that is on."""
        table = _not_asked.c
        query = sa.select(
            table.hour, table.mapping_id, table.model, table.local, table.why, table.count
        ).order_by(table.hour)
        if since is not None:
            query = query.where(table.hour >= int(since // HOUR))
        if model is not None:
            query = query.where(table.model == model)
        return [NotAsked(float(hour * HOUR), *what) for hour, *what in self._read(query)]

    def clear(self, mapping_id: int | None = None) -> None:
        """Take out all, or what is known of one rule."""
        for table in (_compared, _not_asked):
            found = sa.delete(table)
            self._change(found if mapping_id is None else found.where(table.c.mapping_id == mapping_id))

    def keep_only(self, mapping_ids: Collection[int]) -> None:
        """Takes out what is known of other rules: a new one may get the number of one that is gone."""
        for table in (_compared, _not_asked):
            self._change(sa.delete(table).where(table.c.mapping_id.not_in(list(mapping_ids))))

    def delete_before(self, before: float) -> None:
        """Takes out what is older than those unix seconds."""
        self._change(sa.delete(_compared).where(_compared.c.at < before))
        self._change(sa.delete(_not_asked).where((_not_asked.c.hour + 1) * HOUR <= before))

    def close(self) -> None:
        """Nothing more is written."""
        self._file.close()

    def _change(self, statement: sa.Delete) -> None:
        if self.begun:
            with self._file.transaction(write=True) as connection:
                connection.execute(statement)

    def _read(self, query: sa.Select[Any]) -> Iterable[Any]:
        """Nothing where nothing was ever told: then there is no file, and none is made."""
        if not self.begun:
            return []
        with self._file.transaction(write=False) as connection:
            return connection.execute(query).all()


def _prepare(connection: Connection) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > _VERSION:
        raise PointsmanError(
            ErrorKind.UNAVAILABLE,
            "The database of shadows was written by a newer Pointsman; update Pointsman, or move shadows.db away.",
        )
    if version < _VERSION:
        _metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")
        connection.commit()
