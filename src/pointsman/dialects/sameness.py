"""What of a request's body changes its answer, as each protocol has it (docs/cache.md). A shape only. Not here:
which requests are equal (translation/same_request.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sameness:
    """idle: members of a body that change no answer. marked: lists, as paths through members, in whose objects cache marks
    may stand; the same word inside a schema or arguments is a name like any other. more: members that name what may be
    another thing at the next request, or ask for more than an answer. options: the member that holds the sampling, "" =
    the body itself."""

    idle: frozenset[str] = frozenset()
    marked: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    options: str = ""


NOTHING_IDLE = Sameness()
"""All of a body counts."""
