"""How many files and sockets this process may have open: as many as it can get, and what is said where that is too few.

A shell's soft limit (often 1,024) is for programs that call select(2); ours do not. Not here: what is said when all are
used up (gateway/__main__.py).
"""

from __future__ import annotations

import resource
from contextlib import suppress

from ..config import Limits

_BESIDE = 100
"""Descriptors of a process that are no request's: files, pipes, the link."""
_FEW = 4096


def raise_limit(limits: Limits) -> int:
    """Raises this process's soft limit to the hard one, and the hard one to what `limits` need where that is allowed.
    Returns what it came to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        wanted = max(soft, needed(limits))
    elif hard < needed(limits):
        wanted = needed(limits)
    else:
        wanted = hard
    for most in (wanted, hard):
        with suppress(
            OSError, ValueError
        ):  # only root may raise the hard limit; macOS has one of its own below
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(most, hard)))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def needed(limits: Limits) -> int:
    """By as many requests at once as are let in: each has its client's connection and its backend's."""
    return 2 * limits.max_requests + _BESIDE


def few_indeed(limits: Limits) -> bool:
    """Are there so few that a busy day can use them up? limits: as in shortage()."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] < min(needed(limits), _FEW)


def shortage(limit: int, limits: Limits) -> str | None:
    """What is wrong with so few descriptors, None where they are enough."""
    if limit >= needed(limits):
        return None
    return (
        f"a process may have {limit} files and sockets open, which is enough for about"
        f" {max(0, limit - _BESIDE) // 2} requests at once, not {limits.max_requests}"
    )
