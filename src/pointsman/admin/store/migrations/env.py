"""What alembic runs: the migrations, on the connection the store holds, in one transaction. Never offline."""

from __future__ import annotations

from contextlib import nullcontext

from alembic import context
from sqlmodel import SQLModel

from pointsman.admin.store import tables
from pointsman.admin.store.migrations import postgres

assert tables  # imported so that SQLModel.metadata is complete
assert postgres  # imported so that alembic knows it

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite can; half a migration must not be
    transaction_per_migration=False,
)
with nullcontext() if connection.in_transaction() else connection.begin():
    context.run_migrations()
