"""The commands, one noun a module. They parse words, call the admin API and show what it answered.

Nothing here decides anything about rules or keys: with a gateway running a command talks to its control
plane, without one it runs the same application in its own process (client.py). Nothing heavy is imported
before a command runs.
"""

from __future__ import annotations

import os
import signal


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if os.getpid() == 1:
    # The kernel drops a signal for a container's first process that has no handler for it (pid_namespaces(7)): a stop
    # while it still starts would be lost. Here, because nothing of ours runs earlier; `serve` has its own later.
    signal.signal(signal.SIGTERM, _stop)
