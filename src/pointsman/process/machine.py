"""How much memory this machine has. Not here: what a process takes (warden/processes.py), what a model will take
(modelstore/memory.py).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int | None:
    """Bytes of this machine, or of the container that this runs in. None where the system does not tell."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # `max` is no number: no limit
            found = min(found, int(Path(path).read_text()))
    return found if found > 0 else None
