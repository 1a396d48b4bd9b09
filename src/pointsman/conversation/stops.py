"""Stop sequences enforced here, for upstreams that cannot (PROTOCOLS.md 9.3): text is held back by as much as could still
become one, cut at the first match, and the answer ends there.

Applied to TEXT parts only, never to thinking or tool arguments, and not across parts. Events come in writer's order.
"""

from __future__ import annotations

from collections.abc import Sequence

from .events import Cited, Delta, Ended, Event, Finished, PartEnd, PartKind, PartStart, Stop


class StopMatcher:
    """sequences: not empty, none of them blank. matched: a sequence was met; nothing after it is let through."""

    __slots__ = ("_held", "_index", "_longest", "_sequences", "matched")

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = tuple(sequences)
        self._longest = max(map(len, sequences))
        self._held = ""
        self._index = -1  # of the open text part
        self.matched = False

    def add(self, event: Event) -> Sequence[Event]:
        """One event; those that may go out."""
        if self.matched:
            return ()
        if isinstance(event, PartStart):
            self._index = event.index if event.kind is PartKind.TEXT else -1
        elif isinstance(event, Delta) and event.index == self._index:
            return self._text(event)
        elif isinstance(event, PartEnd | Cited) and event.index == self._index:
            held, self._held = self._held, ""
            return (Delta(event.index, held), event) if held else (event,)
        return (event,)

    def _text(self, event: Delta) -> Sequence[Event]:
        text = self._held + event.text
        found = min(  # the one that is complete first; of those, the longest
            ((at + len(one), at, one) for one in self._sequences if (at := text.find(one)) >= 0), default=None
        )
        if found is not None:
            self.matched = True
            self._held = ""
            before = text[: found[1]]
            out: list[Event] = [Delta(event.index, before)] if before else []
            return [*out, PartEnd(event.index), Finished(Stop.STOP_SEQUENCE, found[2]), Ended()]
        keep = self._possible_tail(text)
        self._held = text[len(text) - keep :]
        ready = text[: len(text) - keep]
        return (Delta(event.index, ready),) if ready else ()

    def _possible_tail(self, text: str) -> int:
        """How many last characters could be the beginning of a sequence."""
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            tail = text[-size:]
            if any(sequence.startswith(tail) for sequence in self._sequences):
                return size
        return 0
