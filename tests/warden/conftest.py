"""A warden of its own for a test: `house(*options, **terms)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    with ExitStack() as stack:
        yield lambda *options, **terms: stack.enter_context(House(tmp_path, *options, **terms))
