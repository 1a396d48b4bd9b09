"""Work that pauses: a generator that yields between pieces which take less than a millisecond, so that whoever has
others to serve meanwhile can. Pure: who waits, and how, is the caller's. Not here: the work itself (wild_index.py)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Slices: TypeAlias = Generator[None, None, T]


def at_once(work: Slices[T]) -> T:
    """All of it without a pause. Raises what it raises."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: T = done.value
            return found
