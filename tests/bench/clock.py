"""Calls at a nanosecond of the monotonic clock, by a timer descriptor of the kernel (`timerfd_create(2)`).

An event loop's own timers are a millisecond coarse, as much as the delays that are measured. Linux only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import heapq
import itertools
import os
import time
from collections.abc import Callable

_SECOND = 1_000_000_000
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Moment), ("value", _Moment))


class Clock:
    """Calls of one running loop, each at its time or just after, never before; those of one time in order."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        flags = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are these
        self._timer = int(self._libc.timerfd_create(time.CLOCK_MONOTONIC, flags))
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._timer, self._fire)

    def at(self, ns: int, call: Callable[[], None]) -> None:
        """ns: of `time.monotonic_ns()`. A call whose time has passed comes in the loop's next turn."""
        heapq.heappush(self._due, (ns, next(self._order), call))
        if self._due[0][0] == ns:
            self._arm()

    def close(self) -> None:
        """Calls that are still due are dropped."""
        self._due.clear()
        self._loop.remove_reader(self._timer)
        os.close(self._timer)

    def _arm(self) -> None:
        setting = _Setting(value=_Moment(*divmod(self._due[0][0], _SECOND)))
        if self._libc.timerfd_settime(self._timer, _ABSOLUTE, ctypes.byref(setting), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _fire(self) -> None:
        with contextlib.suppress(BlockingIOError):  # set anew since
            os.read(self._timer, 8)
        now = time.monotonic_ns()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        if self._due:
            self._arm()
