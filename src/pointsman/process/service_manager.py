"""What the service manager that started the gateway is told: that it serves, and that it stops (sd_notify(3): a datagram to
the socket that NOTIFY_SOCKET names). Where nothing is named, nothing is said. Not here: the service's file
(cli/service_files.py).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

_VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """Taken out of the environment: no engine is to speak in the gateway's name."""

    def __init__(self) -> None:
        named = os.environ.pop(_VARIABLE, "")
        self._address = "\0" + named[1:] if named.startswith("@") else named

    def tell(self, *lines: str) -> None:
        """`READY=1`, `STOPPING=1`, `STATUS=...`. One that does not listen is no reason to fail."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.setblocking(False)
            speaker.sendto("\n".join(lines).encode(), self._address)
