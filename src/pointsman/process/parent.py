"""Children end with their supervisor, however it ended: an orphan would hold the port and the data folder's lock.

Polling the parent's id works on Linux and macOS alike. Not here: starting children (supervisor.py).
"""

from __future__ import annotations

import os
import signal
import threading
import time

REFUSED = 3
"""Exit code of a child that must not be started again: it has said why. Once the gateway has served
it is tried again all the same: a folder's wrong mode must not end the processes that serve on.
"""
_POLL_SECONDS = 0.25


def end_with_parent() -> None:
    """From now on this process gets SIGTERM when its parent is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
