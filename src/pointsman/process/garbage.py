"""When the garbage collector runs in a process of ours: not while it imports what it needs, and seldom once it is ready
(docs/design.md#what-it-costs).
"""

from __future__ import annotations

import asyncio
import gc

from .given_back import share_one_heap

_TIDY_SECONDS = 1.0
"""After it is ready: on a single core the gateway's first answer would wait for that."""


def imported() -> None:
    """Its modules stay: they are not looked at, and garbage is collected from now on."""
    share_one_heap()
    gc.freeze()
    gc.enable()


def collect_seldom(loop: asyncio.AbstractEventLoop) -> None:
    """From now on, of a process that is ready: fewer, shorter pauses. Requests make few cycles, and at 700 objects many
    would be looked at many times. What the start left is freed a moment later, and what it made is not looked at again."""
    gc.set_threshold(50_000, 20, 50)
    loop.call_later(_TIDY_SECONDS, _tidy)


def _tidy() -> None:
    gc.unfreeze()
    gc.collect()
    gc.freeze()
