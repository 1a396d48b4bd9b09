"""Where conversations stand: the target at which each began, and which answers of it went round in circles.

In memory, of this process, bounded in number; where there are several processes, one that does not know a conversation asks
the others (own/siblings.py). A restart of the gateway forgets. Not here: which conversation a request is of, and what is
made of it (request/keeping.py).
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

MOST = 20_000
"""Conversations remembered, about 300 bytes each; the one that was longest silent goes first."""
AWAY_SECONDS = 300.0
"""A conversation that was answered elsewhere for so long is at home there: prefix caches do not live longer."""
_LOOPS = 16
"""Ended answers remembered of one conversation."""


class Whereabouts(msgspec.Struct, frozen=True):
    """target: the label of the one at which it stands, "" of none. away: since when others answer for it, unix seconds, None
    while it does itself. looped: numbers of turns whose answer was ended. at: when any of it was last said."""

    target: str = ""
    away: float | None = None
    looped: tuple[int, ...] = ()
    at: float = 0.0


class Conversations:
    """By key; see request/keeping.py."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Whereabouts] = OrderedDict()

    def find(self, key: bytes) -> Whereabouts | None:
        """None where it is not known (any more)."""
        return self._kept.get(key)

    def keep(self, key: bytes, standing: Whereabouts) -> None:
        """As it stands now."""
        self._kept[key] = standing
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def answered(self, key: bytes, target: str, now: float) -> None:
        """A turn of it was answered by the target of that label. now: unix seconds."""
        known = self._kept.get(key) or Whereabouts()
        if known.target in ("", target) or (known.away is not None and now - known.away >= AWAY_SECONDS):
            found = msgspec.structs.replace(known, target=target, away=None, at=now)
        else:
            found = msgspec.structs.replace(known, away=now if known.away is None else known.away, at=now)
        self.keep(key, found)

    def looped(self, key: bytes, turn: int, now: float) -> None:
        """The answer of that turn was ended because it went round in circles."""
        known = self._kept.get(key) or Whereabouts()
        turns = tuple(dict.fromkeys((*known.looped, turn)))[-_LOOPS:]
        self.keep(key, msgspec.structs.replace(known, looped=turns, at=now))
