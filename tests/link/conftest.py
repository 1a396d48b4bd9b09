"""A short path for a Unix socket: pytest's own folders are too long for one on macOS."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pm-") as folder:
        yield f"{folder}/link.sock"
