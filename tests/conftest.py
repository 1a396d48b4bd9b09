"""Fixtures every folder may use: running gateways and scripted upstreams. Imports are inside, so that the
tests of one part start quickly.

`gateway` is shared by all tests of one worker process: tests use names of their own (`gateway.fresh()`),
never change its settings, and start one of their own (`own_gateway`) for whatever touches the whole.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pointsman.practice.scripted import ScriptedUpstream
    from tests.e2e.gateway import Gateway

IMPATIENT = {
    "POINTSMAN_HEADER_SECONDS": "1",
    "POINTSMAN_BODY_IDLE_SECONDS": "1",
    "POINTSMAN_IDLE_SECONDS": "2",
    "POINTSMAN_CONNECT_SECONDS": "1",
    "POINTSMAN_FIRST_OUTPUT_CLOUD_SECONDS": "0.8",
    "POINTSMAN_FIRST_OUTPUT_LOCAL_SECONDS": "0.8",
    "POINTSMAN_BETWEEN_CHUNKS_SECONDS": "0.8",
    "POINTSMAN_BODY_BYTES": "1048576",
}


def pytest_xdist_auto_num_workers() -> int | None:
    """`-n auto`: half as many again as there are cores, for tests that start, stop and kill gateways wait for a third of
    their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # pytest-xdist's own, which obeys it
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_collection_finish() -> None:
    """Fifteen thousand tests are no garbage: nothing looks at them again at each full collection, at 0.7 s a time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway with default settings for all tests of this worker process."""
    from tests.e2e.gateway import Gateway

    with Gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The same with short time limits and a 1 MiB body limit."""
    from tests.e2e.gateway import Gateway

    with Gateway(tmp_path_factory.mktemp("impatient"), env=IMPATIENT) as running:
        yield running


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Makes gateways for this test alone: `own_gateway(*serve options, env={...}, data_dir=...)`."""
    from tests.e2e.gateway import Gateway

    with ExitStack() as stack:

        def make(*options: str, data_dir: Path | None = None, **kwargs: Any) -> Gateway:
            return stack.enter_context(Gateway(data_dir or tmp_path / "data", *options, **kwargs))

        yield make


@pytest.fixture
def upstream() -> Iterator[Callable[..., ScriptedUpstream]]:
    """Makes scripted upstreams that end (and check what was expected of them) with the test."""
    from pointsman.practice.scripted import ScriptedUpstream

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(ScriptedUpstream(**options))
