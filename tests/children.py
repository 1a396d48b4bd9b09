"""A child process of a test, which never outlives it. Not here: gateways (e2e/gateway.py)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def child(words: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Killed at the end, where it still runs: what `Popen` itself does there is to wait for it, and of a child that nothing
    has ended that is for ever, whatever the limit of the test. options: as Popen's."""
    with subprocess.Popen(words, **options) as process:
        try:
            yield process
        finally:
            process.kill()
