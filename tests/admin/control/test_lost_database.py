"""A data folder that had a database does not begin an empty PostgreSQL without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.admin.control.control_plane import ControlPlane
from pointsman.admin.control.opening import LostDatabase
from pointsman.admin.store import mappings
from pointsman.admin.store.moving import move
from pointsman.admin.store.schemas import BackendMappingCreate
from pointsman.errors import PointsmanError
from tests.postgres import Cluster
from tests.postgres_ready import ReadyDatabases

SQLITE: dict[str, str] = {}


def patterns(data_dir: Path, environ: dict[str, str]) -> list[str]:
    control = ControlPlane.open(data_dir, environ)
    try:
        with control.read() as session:
            return [row.model_pattern for row in mappings.list_all(session)]
    finally:
        control.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Of a gateway that had a rule, in a file."""
    folder = tmp_path / "data"
    control = ControlPlane.open(folder, SQLITE)
    with control.change() as session:
        mappings.create(session, BackendMappingCreate(model_pattern="kept", backend_type="openai"))  # type: ignore[arg-type]
    control.close()
    return folder


def test_an_empty_postgresql_is_refused_until_the_rules_are_in_it(
    data_dir: Path, cluster: Cluster, ready_databases: ReadyDatabases
) -> None:
    """It began with no rule and no client key, without a word."""
    empty = cluster.database()
    with ready_databases.lent() as ready:
        for url in (empty, ready):
            with pytest.raises(
                LostDatabase, match=r"is empty though this gateway had one; .*pointsman db copy"
            ):
                ControlPlane.open(data_dir, {"POINTSMAN_DATABASE_URL": url})
        assert cluster.run("SELECT 1 FROM pg_tables WHERE schemaname = 'public'", name_of(empty)) == []
        move(f"sqlite:///{data_dir / 'pointsman.db'}", ready, data_dir, replace=False)
        assert patterns(data_dir, {"POINTSMAN_DATABASE_URL": ready}) == ["kept"]
        (data_dir / "last-good.snapshot").unlink()
        assert patterns(data_dir, {"POINTSMAN_DATABASE_URL": empty}) == [], "it was said so"
    cluster.drop(empty)


def name_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def test_one_that_is_away_is_not_taken_for_an_empty_one(data_dir: Path, tmp_path: Path) -> None:
    url = f"postgresql:///nothing?host={tmp_path}"
    with pytest.raises(PointsmanError, match="cannot be reached") as caught:
        ControlPlane.open(data_dir, {"POINTSMAN_DATABASE_URL": url})
    assert not isinstance(caught.value, LostDatabase)


def test_a_new_folder_begins_an_empty_one(tmp_path: Path, ready_databases: ReadyDatabases) -> None:
    with ready_databases.lent() as url:
        assert patterns(tmp_path / "new", {"POINTSMAN_DATABASE_URL": url}) == []
