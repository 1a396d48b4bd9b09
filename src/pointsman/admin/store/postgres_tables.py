"""How our tables stand in PostgreSQL: numbers as wide as SQLite's, texts in the order of their bytes as there; and those
that only gateways which share it need. Not here: what the columns mean (tables.py).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from .backing import HEAD, OLDEST
from .columns import SealedText
from .tables import TABLES

_metadata = sa.MetaData()
SHARED = sa.Table(
    "shared_state",
    _metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="shared_state_one"), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("oldest", sa.String(32), nullable=False),
)
"""version: of rules, keys and settings; every change begins by raising it, so that the order of versions is the order in
which changes were committed. oldest: the oldest Pointsman, by its newest migration, that works with these tables."""

sa.Table(
    "nodes",
    _metadata,
    sa.Column("name", sa.Text(collation="C"), primary_key=True),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("started", sa.DateTime(timezone=True), nullable=False),
    sa.Column("beat", sa.DateTime(timezone=True), nullable=False),
    sa.Column("applied", sa.BigInteger, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("told", sa.JSON, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
)  # gateways on this database (nodes.py)
sa.Table(
    "remembered",
    _metadata,
    sa.Column("kind", sa.Text(collation="C"), primary_key=True),
    sa.Column("caller", sa.Text(collation="C"), primary_key=True),
    sa.Column("name", sa.Text(collation="C"), primary_key=True),
    sa.Column("of", sa.Text(collation="C"), nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False, index=True),
)  # what clients may refer to on any node (remembered.py)

_ACCOUNT = ("whose", "kind", "start")


def _account() -> list[sa.Column[Any]]:
    """Which limit's, in which period: unix seconds, 0 of all time and of what is no budget."""
    text = sa.Text(collation="C")
    return [sa.Column("whose", text), sa.Column("kind", text), sa.Column("start", sa.BigInteger)]


# Limits, and the part that each node has of each (leases.py). Times in unix seconds, by this database's clock.
sa.Table(
    "spending",
    _metadata,
    *_account(),
    sa.Column("ends", sa.Float),
    sa.Column("most", sa.BigInteger, nullable=False),
    sa.Column("told", sa.BigInteger, nullable=False),
    sa.Column("base", sa.BigInteger),
    sa.Column("full_at", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint(*_ACCOUNT),
    postgresql_with={"fillfactor": 50},
)
sa.Table(
    "leases",
    _metadata,
    *_account(),
    sa.Column("node", sa.Text(collation="C")),
    sa.Column("incarnation", sa.Text, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("share", sa.BigInteger, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    sa.PrimaryKeyConstraint(*_ACCOUNT, "node"),
    postgresql_with={"fillfactor": 50},
)


def make_tables(connection: Connection) -> None:
    """What all migrations would make."""
    wanted = sa.MetaData()
    for table in TABLES:
        for column in table.to_metadata(wanted).columns:
            column.type = wide_type(column.type)
    wanted.create_all(connection, checkfirst=False)
    _metadata.create_all(connection, checkfirst=False)
    connection.execute(
        sa.text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
        )
    )
    connection.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    connection.execute(sa.insert(SHARED).values(id=1, version=0, oldest=OLDEST))


def widen(connection: Connection) -> None:
    """Columns that a migration has just added by a statement of its own stand as make_tables() would have made them. That
    writes a table anew, which gateways that read it meanwhile take for an empty one (migrations/postgres.py): migrations use
    alembic's words, which leave nothing to do here."""
    ours = {table.name for table in TABLES}
    query = sa.text(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND (data_type = 'integer' OR data_type = 'character varying' AND character_maximum_length IS NULL)"
    )
    quote = connection.dialect.identifier_preparer.quote
    for table, column, kind in connection.execute(query).all():
        if table in ours:
            wide = "BIGINT" if kind == "integer" else 'TEXT COLLATE "C"'
            change = f"ALTER TABLE {quote(table)} ALTER COLUMN {quote(column)} TYPE {wide}"
            connection.execute(sa.text(change))


def wide_type(kind: Any) -> Any:
    """What stands for a column's type here. A driver that writes 2^32 + 5 as 5 into a narrow column says nothing of it."""
    if isinstance(kind, sa.Integer):
        return sa.BigInteger()
    if isinstance(kind, sa.Enum | SealedText):
        return kind
    if isinstance(kind, sa.String) or isinstance(getattr(kind, "impl", None), sa.String):
        return sa.Text(collation="C")
    return kind
