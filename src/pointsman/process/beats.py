"""Signs of life: each child writes a byte to a pipe from its event loop, so that one that is stopped or hangs is seen by
who started it, which waitpid does not tell. What was done about it is written down for `/readyz`.

Not here: starting and killing (supervisor.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .starved import CpuTimes, cpu_times

BEAT_SECONDS = 0.5
SILENT_SECONDS = 3.5
"""A child that was heard and is silent for so long is replaced: with the supervisor's own second, within 5 s."""
STARVED_SECONDS = 30.0
"""One that waits for a CPU is replaced after so long all the same."""
TURN_SECONDS = 1.0
"""CPU time in which any event loop of ours comes round: one that had it, and gave no sign, is not starved."""
START_SECONDS = 60.0
"""One that was never heard; a loaded machine imports slowly."""
TOLD_SECONDS = 60.0
"""How long `/readyz` tells of a replaced process."""
REPLACED_FILE = "replaced"


def beat(descriptor: int | None) -> None:
    """One sign of life. A full or closed pipe is nobody's who needs one. None: nobody asked for it."""
    if descriptor is not None:
        with suppress(OSError):
            os.write(descriptor, b".")


class Pulse:
    """The supervisor's end of one child's pipe. write: the descriptor that the child inherits. times: what a process had of
    the CPUs."""

    def __init__(self, times: Callable[[int], CpuTimes | None] = cpu_times) -> None:
        self._read, self.write = os.pipe()
        for descriptor in (self._read, self.write):
            os.set_blocking(descriptor, False)
        self._times = times
        self._last = 0.0
        self._heard = False
        self._quiet: tuple[float, CpuTimes] | None = None  # at the first look that found no sign of life

    def begin(self, now: float) -> None:
        """A new process; what the one before it wrote is not its."""
        with suppress(OSError):
            os.read(self._read, 65536)
        self._last, self._heard, self._quiet = now, False, None

    def listen(self, now: float, pid: int) -> None:
        """Take what came."""
        with suppress(OSError):
            if os.read(self._read, 65536):
                self._last, self._heard, self._quiet = now, True, None
                return
        if self._quiet is None and (times := self._times(pid)) is not None:
            self._quiet = (now, times)

    def excuse(self, now: float) -> None:
        """Whoever listens was away itself: silence meanwhile says nothing."""
        self._last, self._quiet = now, None

    def silent(self, now: float, pid: int) -> bool:
        """For too long?"""
        silence = now - self._last
        if not self._heard:
            return silence > START_SECONDS
        return silence > SILENT_SECONDS and (silence > STARVED_SECONDS or not self._starved(now, pid))

    def silence(self, now: float, pid: int) -> str:
        """How long it was silent, and what it did meanwhile: for the log, where a wrong verdict must be seen."""
        told = f"silent for {now - self._last:.1f} s"
        had = self._had(pid)
        return told if had is None else f"{told}, ran {had.ran:.1f} s, waited {had.waited:.1f} s for a CPU"

    def _starved(self, now: float, pid: int) -> bool:
        """Did it mostly wait for a CPU, and hardly run?"""
        had = self._had(pid)
        if self._quiet is None or had is None:
            return False
        return had.waited > (now - self._quiet[0]) / 2 and had.ran < TURN_SECONDS

    def _had(self, pid: int) -> CpuTimes | None:
        """Of the CPUs, since the first look that found no sign of life."""
        times = self._times(pid)
        if self._quiet is None or times is None:
            return None
        before = self._quiet[1]
        return CpuTimes(times.ran - before.ran, times.waited - before.waited)

    def close(self) -> None:
        """Both ends."""
        os.close(self._read)
        os.close(self.write)


def write_down(folder: str, name: str) -> None:
    """That a process was replaced, now. folder: the sockets'."""
    path = Path(folder, REPLACED_FILE)
    rows = [*_rows(path), (time.time(), name)][-20:]
    with suppress(OSError):
        temporary = path.with_name(REPLACED_FILE + ".new")
        temporary.write_text(json.dumps(rows))
        os.replace(temporary, path)


def replaced(folder: str) -> list[str]:
    """Sentences about what was replaced of late, for `/readyz`."""
    now = time.time()
    return [
        f"The {name} did not answer and was replaced {max(0, now - at):.0f} s ago; see the log."
        for at, name in _rows(Path(folder, REPLACED_FILE))
        if now - at < TOLD_SECONDS
    ]


def _rows(path: Path) -> list[tuple[float, str]]:
    try:
        return [(float(at), str(name)) for at, name in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
