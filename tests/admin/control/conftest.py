"""Fixtures: a control plane shared by a module (tests use names of their own), and ones for a test alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pointsman.practice.scripted import ScriptedUpstream

from .plane import Plane, Worker

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with Plane(tmp_path_factory.mktemp("plane") / "data", "--public-url", "http://127.0.0.1:4480") as running:
        yield running


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[Callable[..., Plane]]:
    with ExitStack() as stack:

        def make(*options: str, env: dict[str, str] | None = None) -> Plane:
            return stack.enter_context(Plane(tmp_path / "data", *options, env=env))

        yield make


@pytest.fixture
def worker(plane: Plane) -> Iterator[Worker]:
    with Worker(plane) as connected:
        yield connected


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def fresh() -> Callable[[], str]:
    """A name nobody else uses."""
    return lambda: f"n{next(_numbers)}"
