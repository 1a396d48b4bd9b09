"""How crowded this machine is. A promise in seconds is one of a machine that has a CPU for us; where others take it, the
same work takes longer, and that is not the gateway's. On a quiet machine every bound stays what it says."""

from __future__ import annotations

import subprocess
import sys
import time

_SPIN = """
import time
wall, cpu = time.monotonic(), time.process_time()
while time.process_time() - cpu < 0.05:
    pass
print((time.monotonic() - wall) / 0.05)
"""


def crowding() -> float:
    """How many times longer work takes now than alone: 1.0 on a quiet machine. Asked in a process of its own, so that
    this one's threads do not count. Costs 50 ms of CPU: for a bound that has been missed."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _SPIN], capture_output=True, check=True)
    # what a scheduler's tick takes on a quiet machine is no crowd
    found = float(done.stdout)
    return found if found > 1.2 else 1.0


MOST = 4.0
"""A machine more crowded than this says nothing about us; four times the bound must do all the same."""
LOOKS = 6
"""How often it is asked for a bound that has been missed: a neighbour that took the CPU a second ago may draw breath now."""


def within(taken: float, seconds: float) -> bool:
    """Did it take at most so long, for a machine as crowded as this one is?"""
    if taken <= seconds:
        return True
    for look in range(LOOKS):
        time.sleep(0.25 if look else 0)
        if taken <= seconds * min(crowding(), MOST):
            return True
    return False
