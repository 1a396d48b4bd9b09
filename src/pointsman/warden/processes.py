"""What the system says of processes: parents, groups, memory, CPU time, when they began. Linux tells by /proc; elsewhere
`ps` is asked, which knows neither sessions nor environments. Not here: which of them are an engine's (keeping.py).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .guard import start_of

MARK = "POINTSMAN_ENGINE"
"""In the environment of everything that an engine is: found by it though it left its group and its parents are gone."""
_HAS_PROC = os.path.exists("/proc/self/stat")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class OneProcess(NamedTuple):
    """cpu: seconds of all its threads. rss: bytes."""

    pid: int
    parent: int
    group: int
    session: int
    cpu: float
    rss: int


Table = dict[int, OneProcess]


def table() -> Table:
    """All processes that can be seen now."""
    return _from_proc() if _HAS_PROC else from_ps()


def _from_proc() -> Table:
    found: Table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    words = file.read().rpartition(b")")[2].split()
                cpu = (int(words[11]) + int(words[12])) / _TICKS
                row = OneProcess(
                    int(name), int(words[1]), int(words[2]), int(words[3]), cpu, int(words[21]) * _PAGE
                )
            except (OSError, IndexError, ValueError):
                continue
            if words[0] not in (b"Z", b"X"):
                found[row.pid] = row
    return found


def from_ps() -> Table:
    """The same from `ps`; a group stands for the session. Empty where there is no `ps`."""
    found: Table = {}
    for line in _ps("-axo", "pid=,ppid=,pgid=,rss=,time=,stat="):
        words = line.split()
        with suppress(ValueError, IndexError):
            pid, parent, group, kilobytes = map(int, words[:4])
            if not words[5].startswith("Z"):
                found[pid] = OneProcess(pid, parent, group, group, _seconds(words[4]), kilobytes * 1024)
    return found


def _ps(*arguments: str) -> list[str]:
    return _said_by("ps", *arguments).splitlines()


def _said_by(*command: str) -> str:
    import subprocess  # not where /proc says all

    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    return ""


def _seconds(text: str) -> float:
    """`1-02:03:04`, `02:03`, `0:01.50`. Raises ValueError."""
    days, _, clock = text.rpartition("-")
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part)
    return total + 86400 * int(days or 0)


def boot_id() -> str:
    """Another one after every start of the machine; `-` where the system does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return _said_by("sysctl", "-n", "kern.bootsessionuuid").strip() or "-"


def is_the_one(pid: int, start: str, at: float | None = None) -> bool:
    """Is that still the process that began then? start: as `start_of` told it; where it could not, at: the time of the day,
    which `ps` knows to the second."""
    if start != "-":
        return start_of(pid) == start
    if at is None:
        return False
    import time

    for line in _ps("-o", "lstart=", "-p", str(pid)):
        with suppress(ValueError):
            began = time.mktime(time.strptime(" ".join(line.split()), "%a %b %d %H:%M:%S %Y"))
            return abs(began - at) <= 2.0
    return False


def members(found: Table, guard: int, engine: int) -> set[int]:
    """Of one engine: whom its guard has below it, and whoever is of its session."""
    below: set[int] = set()
    grown = {guard}
    while grown:
        grown = {pid for pid, one in found.items() if one.parent in grown and pid not in below}
        below |= grown
    return below | {pid for pid, one in found.items() if one.session == engine}


def marked(mark: str) -> set[int]:
    """Processes of this user with that mark in their environment. None are found where the system does not show it."""
    wanted = f"{MARK}={mark}".encode()
    found: set[int] = set()
    if not _HAS_PROC:
        return found
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError):
                if wanted in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                    found.add(int(name))
    return found
