"""Who listens on a port of this computer, as Linux tells it (`/proc/net/tcp`, proc(5)). Elsewhere nobody says.

Not here: our own listeners (listeners.py).
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"
_PERSONS = 1000
"""The first user id of a person, by every distribution's login.defs; below are root and services, such as Ollama's."""


class Owner(NamedTuple):
    """uid: of who listens. inode: of the socket, another one whenever somebody listens anew."""

    uid: int
    inode: int


def owner_of(port: int) -> Owner | None:
    """Who listens on that port at loopback or at every address; None where that cannot be told."""
    near = (owner for address, owner in listeners_on(port) or () if _is_near(address))
    return next(near, None)


def listeners_on(port: int) -> list[tuple[str, Owner]] | None:
    """Who listens on that port, with the address as the kernel writes it; None where the system does not tell."""
    found: list[tuple[str, Owner]] | None = None
    for path in _TABLES:
        try:
            with open(path, encoding="ascii", errors="replace") as table:
                lines = table.read().splitlines()[1:]
        except OSError:
            continue
        found = found or []
        for words in map(str.split, lines):
            address, _, at = words[1].partition(":") if len(words) > 9 else ("", "", "")
            if at and words[3] == _LISTEN and int(at, 16) == port:
                found.append((address, Owner(int(words[7]), int(words[9]))))
    return found


def _is_near(address: str) -> bool:
    """Loopback or every address, as the kernel writes them: bytes of 32-bit words in the machine's order."""
    raw = b"".join(
        int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8)
    )
    if len(raw) == 16 and raw.startswith(bytes(10) + b"\xff\xff"):
        raw = raw[12:]
    return not any(raw) or (raw[0] == 127 if len(raw) == 4 else raw == bytes(15) + b"\x01")


def is_trusted(owner: Owner | None) -> bool:
    """Is it this user's, root's or a service's? Another person's server would read what is sent to it without anybody
    having said so. Where nobody can tell, it is believed."""
    return owner is None or owner.uid == os.geteuid() or owner.uid < _PERSONS
