"""A store and its vault in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.admin.store.database import Store
from pointsman.admin.store.rotation import open_vault
from pointsman.admin.vault import Vault


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(data_dir: Path) -> Iterator[Store]:
    opened = Store.open(data_dir)
    yield opened
    opened.close()


@pytest.fixture
def vault(store: Store, data_dir: Path) -> Vault:
    return open_vault(store, data_dir, {})
