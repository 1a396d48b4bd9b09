"""A store and its vault in a folder of their own: every test of rows runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pointsman.admin.store.database import Store
from pointsman.admin.store.database_url import PostgresPlace, database_place
from pointsman.admin.store.postgres import PostgresServer
from pointsman.admin.store.postgres_usage import UsageTables
from pointsman.admin.store.postgres_usage_tables import partitions, take_away
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.store.usage import UsageStore
from pointsman.admin.store.usage_file import UsageFile
from pointsman.admin.vault import Vault
from tests.postgres_ready import ReadyDatabases

ByHand = Callable[..., Sequence[sa.Row[Any]]]
"""See by_hand."""


OpenUsage = Callable[[], UsageStore]
"""Opens the usage of this test, once more each time, as another start or another gateway would."""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Of an empty database; None is the one in the data folder."""
    if request.param == "sqlite":
        yield None
        return
    ready: ReadyDatabases = request.getfixturevalue("ready_databases")
    with ready.lent() as url:
        yield url


@pytest.fixture
def store(data_dir: Path, database_url: str | None) -> Iterator[Store]:
    opened = Store.open(data_dir, database_url)
    yield opened
    opened.close()


@pytest.fixture
def by_hand(data_dir: Path, database_url: str | None, store: Store) -> Iterator[ByHand]:
    """A statement that goes past the store: by_hand("UPDATE ...", name=value)."""
    url = database_url or f"sqlite:///{data_dir / 'pointsman.db'}"
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))

    def run(statement: str, **values: Any) -> Sequence[sa.Row[Any]]:
        with engine.begin() as connection:
            found = connection.execute(sa.text(statement), values)
            return found.all() if found.returns_rows else []

    yield run
    engine.dispose()


@pytest.fixture
def vault(store: Store, data_dir: Path) -> Vault:
    return open_vault(store, data_dir, {})


@pytest.fixture
def open_usage(tmp_path: Path, database_url: str | None) -> Iterator[OpenUsage]:
    with ExitStack() as opened:

        def run() -> UsageStore:
            if database_url is None:
                return opened.enter_context(closing(UsageFile(tmp_path / "usage.db")))
            place = database_place(tmp_path, database_url)
            assert isinstance(place, PostgresPlace)
            return UsageTables(opened.enter_context(closing(PostgresServer(place))))

        yield run
    if database_url is not None:
        with psycopg.connect(database_url, autocommit=True) as driver:
            for one in partitions(driver):  # so that its tables are as they were lent
                take_away(driver, one)


@pytest.fixture
def usage(open_usage: OpenUsage) -> UsageStore:
    return open_usage()
