"""What each target was sent last of an agent's session, to see where its prompt began to change: a local server reads
again what stands behind the first byte that changed.

In memory, of this process, bounded in bytes; of agents that name their session. An agent asks several things in one
session, so of its last bodies that counts which begins most like this one, as a server's caches do. Not here: how two
bodies are compared (wire/changed.py).
"""

from __future__ import annotations

from collections import OrderedDict

from ..wire.changed import alike_until, grew, place_of

MOST_BYTES = 16 * 1024 * 1024
"""Of all bodies together; the session that was longest silent goes first."""
_LARGEST = 2 * 1024 * 1024
_OF_ONE = 4
"""Bodies of one session at one target."""

Changed = tuple[int, str]
"""(bytes that begin as before, the path of what changed there: "" where nothing did but that it goes on)."""


class LastPrompts:
    """By (client key, session, target)."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[tuple[int | None, str, str], list[bytes]] = OrderedDict()
        self.bytes = 0

    def next(self, whose: tuple[int | None, str, str], body: bytes) -> Changed | None:
        """Remember what is sent now. None where nothing was before it."""
        if len(body) > _LARGEST:
            return None
        kept = self._kept.setdefault(whose, [])
        self._kept.move_to_end(whose)
        found: Changed | None = None
        gone = -1
        if kept:
            at, place = max((alike_until(one, body), number) for number, one in enumerate(kept))
            before = kept[place]
            same = at == len(body) == len(before)
            found = at, "" if same or grew(before, body, at) else place_of(body, at)
            if 2 * at >= len(before):
                gone = place  # this one goes on with it
        if len(kept) == _OF_ONE or gone >= 0:
            self.bytes -= len(kept.pop(max(gone, 0)))
        kept.append(body)
        self.bytes += len(body)
        while self.bytes > self._most:
            _, bodies = self._kept.popitem(last=False)
            self.bytes -= sum(map(len, bodies))
        return found
