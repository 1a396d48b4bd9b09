"""A process that should be running: started, listened to, ended where it hangs, and started again.

Not here: which there are, and in what order they go (supervisor.py).
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

from ..secret import Secret
from .beats import Pulse, write_down
from .environment import piped
from .saying import say

SUPERVISOR = "supervisor"
"""In whose name it is told."""
_BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_HEALTHY_SECONDS = 10.0


@dataclass(slots=True)
class Child:
    """One process that should be running. number: of a data-plane process, never given twice. secrets: what the environment
    held of them."""

    name: str
    argv: list[str]
    pass_fds: tuple[int, ...]
    number: int = -1
    secrets: dict[str, Secret] = field(default_factory=dict)
    pulse: Pulse = field(default_factory=Pulse)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    due: float = 0.0


def watch(child: Child, runtime_dir: str, now: float) -> int | None:
    """Start a child that is due, end one that hangs, note one that ended, to be started again. Returns the exit code of one
    that has just ended."""
    if child.process is None:
        if now >= child.due:
            start(child, now)
        return None
    code = child.process.poll()
    if code is None:
        child.pulse.listen(now, child.process.pid)
        if child.pulse.silent(now, child.process.pid):
            say(
                SUPERVISOR,
                f"the {child.name} (pid {child.process.pid}) is stopped or hangs"
                f" ({child.pulse.silence(now, child.process.pid)}); it is ended, and started again",
            )
            write_down(runtime_dir, child.name)
            child.process.kill()
        return None
    child.process = None
    child.restarts = 0 if now - child.started > _HEALTHY_SECONDS else child.restarts + 1
    child.due = now + _BACKOFF[min(child.restarts, len(_BACKOFF) - 1)]
    return code


def start(child: Child, now: float) -> None:
    """Start its process."""
    child.started = now
    child.pulse.begin(now)
    # A group of its own: Ctrl-C in a terminal is for the supervisor alone, which stops them in order.
    with piped(child.secrets) as (arguments, fds):
        child.process = subprocess.Popen(
            [*child.argv, *arguments, "--beat-fd", str(child.pulse.write)],
            pass_fds=(*child.pass_fds, *fds, child.pulse.write),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
