"""Ports of this machine: a free one, and whether those who listen on one are ours. Not here: what is
asked there (probe.py).
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress

from ..process.owners import listeners_on


def free_port() -> int:
    """Of loopback. Whoever takes it first has it: hence the look at who listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Can nobody listen there now?"""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno in _IN_USE:
                return True
    return False


_IN_USE = (errno.EADDRINUSE, errno.EACCES)


def listener_is_of(port: int, pids: Iterable[int]) -> bool | None:
    """Does one of these processes, and nobody else, listen on the port? False while nobody does. None where the system does
    not tell."""
    listening = listeners_on(port)
    if listening is None:
        return None
    sockets = {f"socket:[{owner.inode}]" for _, owner in listening}
    return bool(sockets) and sockets <= _sockets_of(pids)


def _sockets_of(pids: Iterable[int]) -> set[str]:
    found: set[str] = set()
    for pid in pids:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found
