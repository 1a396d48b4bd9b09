"""What a migration adds to a PostgreSQL stands there from the beginning as postgres_tables.py would have it.

Changed later, PostgreSQL would write the table anew, and to a gateway that reads at that moment, and began before it, such a
table is empty: it would serve by no rules until the next change. Not here: the migrations (versions/).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import PostgresqlImpl

from pointsman.admin.store.postgres_tables import wide_type


class WidePostgres(PostgresqlImpl):
    """Alembic takes this one, for it is the last that says whose it is."""

    __dialect__ = "postgresql"

    def add_column(self, table_name: str, column: sa.Column[Any], **more: Any) -> None:
        """See alembic."""
        column.type = wide_type(column.type)
        super().add_column(table_name, column, **more)

    def create_table(self, table: sa.Table, **more: Any) -> None:
        """See alembic."""
        for column in table.columns:
            column.type = wide_type(column.type)
        super().create_table(table, **more)
