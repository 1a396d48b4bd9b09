"""The memory of responses: what clients were given and may refer to by its id, instead of sending it again
(docs/protocols/messages.md#the-memory-of-responses).

In memory only and of this process, bounded in bytes and time, apart by caller. Not here: how a request refers to it
(the dialect's Remembered), and how several processes help one another (gateway/own/siblings.py).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

import msgspec

from ..dialects.recall import Given

_ENTRY_BYTES = 500
"""What a response costs beside its texts, an item as well: many small ones are bounded, too."""


class _Kept:
    """One response on a shelf."""

    __slots__ = ("given", "until")

    def __init__(self, given: Given, until: float) -> None:
        self.given = given
        self.until = until


class _Shelf:
    """One caller's, by numbers of ours: some servers repeat their ids. whole: those whose request is kept, too; least
    used first, like kept. names: id of a response or an item -> the newest that bears it."""

    __slots__ = ("kept", "names", "number", "size", "whole")

    def __init__(self) -> None:
        self.kept: OrderedDict[int, _Kept] = OrderedDict()
        self.whole: OrderedDict[int, None] = OrderedDict()
        self.names: dict[str, int] = {}
        self.number = 0
        self.size = 0

    def put(self, given: Given, until: float) -> None:
        self.number += 1
        self.kept[self.number] = _Kept(given, until)
        if given.asked is not None:
            self.whole[self.number] = None
        for name in names_of(given):
            self.names[name] = self.number
        self.size += size_of(given)

    def find(self, name: str, now: float, until: float) -> Given | None:
        """By its own id, or by that of one of its items; kept until then from now on."""
        number = self.names.get(name)
        kept = self.kept.get(number) if number is not None else None
        if number is None or kept is None or kept.until <= now:
            return None
        kept.until = until
        self.kept.move_to_end(number)
        if number in self.whole:
            self.whole.move_to_end(number)
        return kept.given

    def shrink(self) -> None:
        """One step. Requests go before answers: most clients send theirs again and refer to items alone."""
        if not self.whole:
            self.forget(next(iter(self.kept)))
            return
        number, _ = self.whole.popitem(last=False)
        kept = self.kept[number]
        self.size -= len(kept.given.asked or b"")
        kept.given = msgspec.structs.replace(kept.given, asked=None)

    def expire(self, now: float) -> None:
        while self.kept:
            oldest = next(iter(self.kept))
            if self.kept[oldest].until > now:
                return
            self.forget(oldest)

    def forget(self, number: int) -> None:
        given = self.kept.pop(number).given
        self.size -= size_of(given)
        self.whole.pop(number, None)
        for name in names_of(given):
            if self.names.get(name) == number:
                del self.names[name]


class ResponseMemory:
    """limit: bytes of all callers together, 0 = nothing is ever kept. seconds: how long something is kept that nobody
    refers to. clock: monotonic seconds."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}
        self.size = 0

    @property
    def on(self) -> bool:
        """Is anything kept at all?"""
        return self._limit > 0

    def put(self, caller: str, given: Given) -> None:
        """Remember a response. Room is made at the expense of the caller that uses most; one response never takes more
        than a quarter of it: then its request is left out, or all of it."""
        if given.asked is not None and size_of(given) > self._limit // 4:
            given = msgspec.structs.replace(given, asked=None)
        if size_of(given) > self._limit // 4:
            return
        shelf = self._shelves.setdefault(caller, _Shelf())
        self.size -= shelf.size
        shelf.put(given, self._clock() + self._seconds)
        self.size += shelf.size
        while self.size > self._limit:
            self._shrink()

    def find(self, caller: str, name: str) -> Given | None:
        """The response with that id, or with an item of that id, None when it is not known (any more)."""
        shelf = self._shelves.get(caller)
        now = self._clock()
        return shelf.find(name, now, now + self._seconds) if shelf is not None else None

    def forget(self, caller: str, name: str) -> None:
        """Of a response that its client wants deleted."""
        shelf = self._shelves.get(caller)
        number = shelf.names.get(name) if shelf is not None else None
        if shelf is not None and number is not None:
            self.size -= shelf.size
            shelf.forget(number)
            self.size += shelf.size

    def trim(self) -> None:
        """Called now and then: what nobody has referred to for so long goes."""
        now = self._clock()
        for caller, shelf in list(self._shelves.items()):
            self.size -= shelf.size
            shelf.expire(now)
            self.size += shelf.size
            if not shelf.kept:
                del self._shelves[caller]

    def _shrink(self) -> None:
        caller, shelf = max(self._shelves.items(), key=lambda pair: pair[1].size)
        self.size -= shelf.size
        shelf.shrink()
        self.size += shelf.size
        if not shelf.kept:
            del self._shelves[caller]


def names_of(given: Given) -> Iterator[str]:
    """All ids by which it can be referred to."""
    yield given.id
    yield from (name for name, _ in given.items if name)


def size_of(given: Given) -> int:
    """Bytes that a response is counted with."""
    texts = len(given.asked or b"") + sum(len(name) + len(item) for name, item in given.items)
    return texts + len(given.shell) + _ENTRY_BYTES * (1 + len(given.items))
