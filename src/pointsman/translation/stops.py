"""Stop sequences enforced here, for upstreams that cannot
(docs/protocols/stop-reasons.md#stops-enforced-here): text is held back by as much as could still
become one, cut at the first match, and the answer ends there.

Applied to TEXT parts only, never to thinking or tool arguments, and not across parts. The first match is the one that is
complete first, as it is for an engine that looks after every token; of two that are complete at once, the longer.
Events come in writer's order.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..conversation.events import Cited, Delta, Ended, Event, Finished, PartEnd, PartKind, PartStart, Stop


class StopMatcher:
    """sequences: not empty, none of them "". matched: a sequence was met; nothing after it is let through, and the
    upstream may be cancelled."""

    __slots__ = ("_cited", "_held", "_index", "_longest", "_sent", "_sequences", "matched")

    def __init__(self, sequences: Sequence[str]) -> None:
        self._sequences = tuple(sequences)
        self._longest = max(map(len, sequences))
        self._held = ""
        self._index = -1  # of the open text part
        self._sent = 0  # its characters that were let through
        self._cited: list[Cited] = []  # of words that were not let through yet
        self.matched = False

    def add(self, event: Event) -> Sequence[Event]:
        """One event; those that may go out."""
        if self.matched:
            return ()
        if isinstance(event, Delta):
            return self._text(event) if event.index == self._index else (event,)
        if isinstance(event, PartStart):
            self._index = event.index if event.kind is PartKind.TEXT else -1
            self._sent = 0
        elif isinstance(event, Cited) and event.index == self._index:
            if self._held or (event.citation.end or 0) > self._sent:
                self._cited.append(event)
                return ()
        elif isinstance(event, PartEnd) and event.index == self._index:
            return [*self._let(self._held), *self._rest(), event]
        return (event,)

    def _text(self, event: Delta) -> Sequence[Event]:
        text = self._held + event.text
        found = min(
            ((at + len(one), at, one) for one in self._sequences if (at := text.find(one)) >= 0), default=None
        )
        if found is not None:
            self.matched = True
            out = self._let(text[: found[1]])
            return [*out, PartEnd(event.index), Finished(Stop.STOP_SEQUENCE, found[2]), Ended()]
        keep = self._possible_tail(text)
        if keep == len(text):
            self._held = text
            return ()
        out = self._let(text[: len(text) - keep])
        self._held = text[len(text) - keep :]
        return out

    def _let(self, text: str) -> list[Event]:
        """Text that goes out, and the citations that waited for it. One of words that were cut goes with them."""
        self._held = ""
        self._sent += len(text)
        out: list[Event] = [Delta(self._index, text)] if text else []
        if self._cited:
            waiting, self._cited = self._cited, []
            for one in waiting:
                (out if (one.citation.end or 0) <= self._sent else self._cited).append(one)
        return out

    def _rest(self) -> list[Cited]:
        """Citations whose places lie beyond their text."""
        left, self._cited = self._cited, []
        return left

    def _possible_tail(self, text: str) -> int:
        """How many last characters could be the beginning of a sequence."""
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            tail = text[-size:]
            if any(sequence.startswith(tail) for sequence in self._sequences):
                return size
        return 0
