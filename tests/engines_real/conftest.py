"""One engine of each kind for all tests of this worker process. The window is made longer than the tiny model's own, so
that reading and counting last long enough to be left in the middle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway
from tests.warden.house import House

from .engines import Engine, llama_host, mlx_host, mlx_lm_server
from .gguf_of import TINY, write
from .on_demand import OnDemand

WINDOW = 32_768


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model") / "tiny"
    shutil.copytree(TINY, place)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "max_position_embeddings": WINDOW}))
    return place


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write(folder, path)
    return path


@pytest.fixture(scope="session")
def mlx(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with mlx_host(folder, tmp_path_factory.mktemp("mlx") / "log") as engine:
        yield engine


@pytest.fixture(scope="session")
def mlx_server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with mlx_lm_server(folder, tmp_path_factory.mktemp("mlx_lm") / "log") as engine:
        yield engine


@pytest.fixture(scope="session")
def llama(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with llama_host(gguf, tmp_path_factory.mktemp("llama") / "log", "--parallel", "2") as engine:
        yield engine


@pytest.fixture(scope="session")
def demanded(gateway: Gateway, folder: Path, gguf: Path) -> Callable[[str], OnDemand]:
    """The engine of a kind behind the gateway, which the first request starts and which stays for all tests."""

    @cache
    def found(kind: str) -> OnDemand:
        return OnDemand(gateway, kind, folder, gguf, "--keep", "forever")

    return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Wardens of a test's own."""
    with ExitStack() as stack:
        yield lambda *options, **terms: stack.enter_context(House(tmp_path, *options, **terms))
