"""Fixtures every folder may use: running gateways and scripted upstreams. Imports are inside, so that the
tests of one part start quickly.

`gateway` is shared by all tests of one worker process: tests use names of their own (`gateway.fresh()`),
never change its settings, and start one of their own (`own_gateway`) for whatever touches the whole. Before a test of
tests/e2e it may begin anew (tests/e2e/conftest.py), so nothing keeps its address longer than a module.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pointsman.practice.scripted import ScriptedUpstream
    from tests.e2e.gateway import Gateway
    from tests.postgres import Cluster
    from tests.postgres_ready import ReadyDatabases

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


STDERR = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "after_limit", "seconds between a test's `timeout` and the end of its process", default="60"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Run in the background of a shell the tests would hand down that Ctrl-C is ignored, and what is ended by it would go
    on for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[STDERR] = os.dup(2)  # the true one: while a test runs, 2 is captured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that never ends is a failure with a name, never a suite without an end: pytest-timeout raises in the main
    thread, and what it raises is lost where a task of asyncio keeps it as its own, or where the thread waits in C.
    Then this prints where every thread stands and ends the process; pytest-xdist says which test it was and goes on."""
    marker = item.get_closest_marker("timeout")
    _end_after(item.config, float(marker.args[0] if marker else item.config.getini("timeout")))
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The same for a worker that does not get to its end, waiting for a thread that a test left behind."""
    if hasattr(session.config, "workerinput"):
        _end_after(session.config, 0.0)


def _end_after(config: pytest.Config, seconds: float) -> None:
    """End this process in `seconds` and what the setting `after_limit` gives more, with a word of where it stands."""
    more = float(config.getini("after_limit"))
    faulthandler.dump_traceback_later(seconds + more, exit=True, file=config.stash[STDERR])


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
    yield from _shared(tmp_path_factory.mktemp("gateway"), {})


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The same with short time limits and a 1 MiB body limit."""
    yield from _shared(tmp_path_factory.mktemp("impatient"), IMPATIENT)


def _shared(data_dir: Path, env: dict[str, str]) -> Iterator[Gateway]:
    from tests.e2e.gateway import SHARED, Gateway

    with Gateway(data_dir, env=env) as running:
        SHARED.append(running)
        yield running
        SHARED.remove(running)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL for all tests of this worker process; each makes a database of its own: `cluster.database()`."""
    from tests import postgres

    if (why := postgres.missing()) is not None:
        pytest.skip(why)
    with postgres.Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def ready_databases(cluster: Cluster) -> Iterator[ReadyDatabases]:
    """With our tables in them: `with ready_databases.lent() as url`. Where the making of tables is what is tested, take an
    empty one: `cluster.database()`."""
    from tests.postgres_ready import ReadyDatabases

    ready = ReadyDatabases(cluster)
    yield ready
    ready.close()


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
