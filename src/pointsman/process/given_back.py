"""What a process has taken and needs no longer, given back to the kernel: what malloc keeps of freed memory, and pages of
libraries.

Importing touches the pages of a library once, to link it and to make its modules, and with each the kernel maps its
fifteen neighbours: a seventh of what a gateway has that nobody uses (docs/design.md#what-it-costs). A page that is used
again is mapped again from the kernel's cache, in a microsecond. Linux only; elsewhere nothing is done. Not here: Python's
own objects (garbage.py).
"""

from __future__ import annotations

import gc
import re
import sys
from contextlib import suppress
from time import monotonic, process_time

_DONTNEED = 4
"""madvise(2), MADV_DONTNEED: the pages of a file come again from the file."""
_ARENA_MAX = -8
"""mallopt(3), M_ARENA_MAX."""
_CLEAN = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) r-[-x]p [0-9a-f]+ [0-9a-f:]+ [1-9]\d* +/.*\n(?:(?!Anonymous:)[A-Z].*\n)*Anonymous: +0 kB$",
    re.M,
)
"""A mapping of a file that cannot be written to, none of whose pages is the process's own (proc_pid_smaps(5))."""


_MANY = 500
"""Of what is counted (Ebb): so many hold some megabytes."""


class Ebb:
    """Gives back what is left of many requests once most of them have ended."""

    def __init__(self) -> None:
        self._most = 0

    def look(self, count: int) -> None:
        """count: of what there is now and takes memory. It takes two milliseconds a thousand that are gone."""
        if count > self._most:
            self._most = count
        elif self._most - count >= _MANY and count * 2 <= self._most:
            self._most = count
            trim()


_QUIET_SECONDS = 2.0
_QUIET = (0.005, 0.03)
"""CPU seconds, and a share of the seconds beside: who uses less is not busy."""
_WORTH = (0.5, 0.01)
"""The same: who has used more since it was last done has left something. Looking after itself takes a process less, and so
do requests now and then: what these need they would have to fetch again after each pause."""


class Lull:
    """Gives back what busy seconds have left once they are over, a start among them. Busy is told by the process's own CPU
    time, so that whatever it does counts, and nobody has to say so."""

    def __init__(self) -> None:
        self._since = monotonic(), process_time()  # it may have been quiet since then
        self._done: tuple[float, float] | None = None

    def look(self) -> None:
        """Called a few times a second. It takes some milliseconds, once after each busy time."""
        now = monotonic(), process_time()
        if _more(now, self._since, _QUIET):
            self._since = now
        elif now[0] - self._since[0] >= _QUIET_SECONDS:
            if self._done is None or _more(now, self._done, _WORTH):
                gc.collect()  # what Python keeps of freed objects goes, too
                give_back()
                now = self._done = monotonic(), process_time()
            self._since = now


def _more(now: tuple[float, float], before: tuple[float, float], than: tuple[float, float]) -> bool:
    return now[1] - before[1] > than[0] + than[1] * (now[0] - before[0])


def trim() -> None:
    """What malloc keeps. Python's own small objects are not in it."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(AttributeError):  # musl has none
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))


def give_back() -> None:
    """Some milliseconds. What is unmapped comes back by being touched."""
    if sys.platform != "linux":
        return
    import ctypes

    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with suppress(OSError), open("/proc/self/smaps", "rb") as smaps:
        for start, end in clean(smaps.read()):
            libc.madvise(start, end - start, _DONTNEED)
    trim()  # of what was read, too


def share_one_heap() -> None:
    """For the threads that there will be: malloc makes a heap for each otherwise, whose upper end is never given back. What
    they do, they do under Python's own lock."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(AttributeError):  # musl has one anyway
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def clean(smaps: bytes) -> list[tuple[int, int]]:
    """First and last address of each mapping of a file, of a /proc/PID/smaps, whose pages can be had again. One that was
    written to before it was made read-only, as relocations are, would be lost: it holds anonymous pages."""
    return [(int(found[1], 16), int(found[2], 16)) for found in _CLEAN.finditer(smaps)]
