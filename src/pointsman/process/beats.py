"""Signs of life: each child writes a byte to a pipe from its event loop, so that one that is stopped or hangs is seen by
who started it, which waitpid does not tell. What was done about it is written down for `/readyz`.

Not here: starting and killing (supervisor.py).
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

BEAT_SECONDS = 0.5
SILENT_SECONDS = 3.5
"""A child that was heard and is silent for so long is replaced: with the supervisor's own second, within 5 s."""
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
    """The supervisor's end of one child's pipe. write: the descriptor that the child inherits."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        for descriptor in (self._read, self.write):
            os.set_blocking(descriptor, False)
        self._last = 0.0
        self._heard = False

    def begin(self, now: float) -> None:
        """A new process; what the one before it wrote is not its."""
        self.listen(now)
        self._last, self._heard = now, False

    def listen(self, now: float) -> None:
        """Take what came."""
        with suppress(OSError):
            if os.read(self._read, 65536):
                self._last, self._heard = now, True

    def excuse(self, now: float) -> None:
        """Whoever listens was away itself: silence meanwhile says nothing."""
        self._last = now

    def silent(self, now: float) -> bool:
        """For too long?"""
        return now - self._last > (SILENT_SECONDS if self._heard else START_SECONDS)

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
