"""How much memory this machine has, and sizes in words. Not here: what a process takes (processes.py)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SHARE = 0.75
"""Of the memory, for engines, where nothing else was said: macOS lets Metal have about as much."""
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def total() -> int | None:
    """Bytes of this machine, or of the container that this runs in. None where the system does not tell."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # `max` is no number: no limit
            found = min(found, int(Path(path).read_text()))
    return found if found > 0 else None


def readable(size: int) -> str:
    """`3.2 GiB`, `850 MiB`."""
    if size >= 2**30:
        return f"{size / 2**30:.1f} GiB"
    return f"{size / 2**20:.0f} MiB"
