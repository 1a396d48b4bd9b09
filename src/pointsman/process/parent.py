"""Children end with their supervisor, however it ended: an orphan would hold the port and the data folder's lock.

Polling the parent's id works on Linux and macOS alike. Not here: starting children (supervisor.py).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

REFUSED = 3
"""Exit code of a child that must not be started again: it has said why. Once the gateway has served
it is tried again all the same: a folder's wrong mode must not end the processes that serve on.
"""
REPLACED_SIGNAL = signal.SIGUSR2
"""To a data-plane process in whose place another one listens: it takes no more connections and ends with those it has."""
_POLL_SECONDS = 0.25
_PARENT = os.getppid()


def end_with_parent(seconds: float) -> None:
    """From now on this process gets SIGTERM when its parent is gone, and ends for good so many seconds later: one that
    hangs would hold the data folder's lock for ever."""
    _when_it_dies(signal.SIGCONT)  # a stopped process watches nothing

    def watch() -> None:
        while os.getppid() == _PARENT:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def die_with_parent() -> None:
    """For a child that is waited for: it is killed when its parent is gone (Linux; elsewhere it comes to its end)."""
    _when_it_dies(signal.SIGKILL)


def reap_strangers(own: Iterable[int]) -> None:
    """The first process of a container is made the parent of whatever loses its own (`docker exec`, a shell's children):
    nobody else takes note of their end. own: processes whose end is taken note of elsewhere."""
    if os.getpid() != 1:
        return
    ours = set(own)
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in ours:
                return  # what comes after it is reaped once that one is
            os.waitpid(ended.si_pid, os.WNOHANG)


def _when_it_dies(number: int) -> None:
    """Linux sends this process the signal when its parent is gone (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes  # not in the supervisor, which has no parent to watch

    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, int(number), 0, 0, 0)


def leave_nothing(folder: str, names: Iterable[str]) -> None:
    """What an orphan does at its end in the folder of sockets: its own go, and the folder when it was the last. Does
    nothing while the parent lives. names: of its sockets."""
    if os.getppid() == _PARENT:
        return
    for name in names:
        with suppress(OSError):
            os.unlink(os.path.join(folder, name))
    with suppress(OSError):
        os.rmdir(folder)
