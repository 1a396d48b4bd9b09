"""Work on a large body, done in a thread so that no stream waits for it. The interpreter lets the event loop in between.

Not here: what the work is (peek, reading, rendering).
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes from which it is worth a thread."""

_running = 0
_threads = ThreadPoolExecutor(2, thread_name_prefix="large-body")
"""Two: a decoder holds the interpreter until it is done, and the event loop waits for its turn behind each of them."""


async def offload(work: Callable[..., T], *arguments: object) -> T:
    """work(*arguments) in a thread: for a body of LARGE bytes or more.

    The collector rests meanwhile: with tens of thousands of new objects one of its rounds would be the longest pause
    of all, and a decoded body has no cycles.
    """
    global _running
    collecting = gc.isenabled() or _running > 0
    gc.disable()
    _running += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, partial(work, *arguments))
    finally:
        _running -= 1
        if collecting and not _running:
            gc.enable()
