"""Who asks for a change: set at the door, read where the change is written (recording.py). A name and no proof: whoever has
the admin token may call itself what it likes.

Not here: who may ask (control/guard.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple


class Who(StrEnum):
    """By which way a change came."""

    COMMAND_LINE = "command line"
    ADMIN_API = "admin API"
    WEB_PAGE = "web page"
    ENVIRONMENT = "environment"
    GATEWAY = "gateway itself"


class Author(NamedTuple):
    """session: a web page's, as the list of sign-ins names it; else empty."""

    who: Who
    session: str = ""


_GATEWAY = Author(Who.GATEWAY)
_asker: ContextVar[Author] = ContextVar("asker", default=_GATEWAY)
_behind: ContextVar[list[str] | None] = ContextVar("behind", default=None)
_last: ContextVar[int | None] = ContextVar("last_entry", default=None)


@contextmanager
def asked_by(asker: Author) -> Iterator[None]:
    """What is changed meanwhile is changed by that one, in threads that it is handed to, too."""
    token = _asker.set(asker)
    try:
        yield
    finally:
        _asker.reset(token)


def asker() -> Author:
    return _asker.get()


@contextmanager
def gathered_behind() -> Iterator[list[str]]:
    """Fills with the names of nodes that do not serve by a change that is made meanwhile, in threads, too."""
    found: list[str] = []
    token = _behind.set(found)
    try:
        yield found
    finally:
        _behind.reset(token)


def not_live_on(names: Iterable[str]) -> None:
    """Those nodes do not serve by what was just changed."""
    found = _behind.get()
    if found is not None:
        found.extend(name for name in names if name not in found)


def last_entry() -> int | None:
    """The audit's number of the last change that this request has made, in this thread; None where it made none."""
    return _last.get()


def made_entry(number: int) -> None:
    _last.set(number)
