"""What a process had of the CPUs: so that one that waits its turn on a crowded machine is told from one that hangs.

Linux counts both for each thread (schedstat, Documentation/scheduler/sched-stats.rst); elsewhere nothing is known.
Not here: what follows (beats.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class CpuTimes(NamedTuple):
    """Seconds since it started. ran: its first thread, which runs the event loop. waited: all threads, ready to run, for a
    CPU: the first one may wait for what another holds, that waits."""

    ran: float
    waited: float


def cpu_times(pid: int) -> CpuTimes | None:
    """None where the system does not tell, or the process is gone."""
    try:
        ran, _, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
        threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return CpuTimes(int(ran) / 1e9, sum(int(waited) for _, waited, _ in threads) / 1e9)
    except (OSError, ValueError):
        return None
