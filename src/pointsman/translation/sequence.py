"""Parts one after the other: what a reader may interleave (parallel tool calls do) is put in order for the writers.

The part that began first streams live, later ones wait for their turn. Indices out are 0, 1, 2, ... Already sequential
events pass with hardly any cost. Nothing is lost: what comes for a part that was closed already becomes a new one
(docs/protocols/streams.md#one-part-at-a-time). Not here: any protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..conversation.events import Cited, Delta, Ended, Event, Finished, PartEnd, PartKind, PartStart


class Sequencer:
    """add(event) -> the events that may go out now. Memory: what waits for its turn."""

    __slots__ = ("_closed", "_filling", "_next", "_out", "_plain", "_waiting", "live")

    def __init__(self) -> None:
        self.live = -1  # index of the live part as the reader counts, -1 = none
        self._out = -1  # its index as the writer counts
        self._next = 0
        self._plain: PartStart | None = None  # the last part that is no tool and has not ended
        self._closed: dict[int, PartStart] = {}  # those ended here, before their reader did
        self._waiting: list[list[Event]] = []  # parts, each from its start on, in order of their starts
        self._filling: dict[int, list[Event]] = {}  # those of them that have not ended, by index in

    def add(self, event: Event) -> Sequence[Event]:
        """One event of the reader."""
        kind = type(event)
        if kind is Delta and event.index == self.live:  # type: ignore[union-attr]
            return (_moved(event, self._out),)
        if isinstance(event, Delta | Cited | PartEnd):
            return self._of_part(event)
        if isinstance(event, PartStart):
            return self._start(event)
        if kind is Finished or kind is Ended:
            return [*self._close_all(), event]
        return (event,)

    def _of_part(self, event: Delta | Cited | PartEnd) -> Sequence[Event]:
        if isinstance(event, PartEnd) and self._plain is not None and self._plain.index == event.index:
            self._plain = None
        if event.index == self.live:
            out = _moved(event, self._out)
            if type(event) is not PartEnd:
                return (out,)
            self.live = -1
            return [out, *self._next_part()] if self._waiting else (out,)
        waiting = self._filling.get(event.index)
        if waiting is None:
            return self._late(event)
        waiting.append(event)
        if isinstance(event, PartEnd):
            del self._filling[event.index]
        return ()

    def _late(self, event: Delta | Cited | PartEnd) -> Sequence[Event]:
        """For a part that was closed already."""
        start = self._closed.get(event.index)
        if start is None:
            return ()
        if isinstance(event, Delta):
            return [*self._start(start), *self._of_part(event)]
        if isinstance(event, PartEnd):
            del self._closed[event.index]
            if event.opaque is not None:  # its producer wants it back
                return [*self._start(start), *self._of_part(event)]
        return ()

    def _start(self, event: PartStart) -> Sequence[Event]:
        out: list[Event] = []
        if (
            event.index == self.live or event.index in self._filling
        ):  # an index used twice: the first part is over
            out += self._of_part(PartEnd(event.index))
        if event.kind is not PartKind.TOOL:
            before, self._plain = self._plain, event
            if before is not None and before.index != event.index:
                self._closed[before.index] = before
                out += self._of_part(PartEnd(before.index))
        self._closed.pop(event.index, None)
        if self.live < 0:
            out.append(self._open(event))
        else:
            waiting: list[Event] = [event]
            self._filling[event.index] = waiting
            self._waiting.append(waiting)
        return out

    def _open(self, event: PartStart) -> PartStart:
        self.live, self._out = event.index, self._next
        self._next += 1
        if self._out == event.index:
            return event
        return PartStart(
            self._out,
            event.kind,
            event.call_id,
            event.name,
            event.tool_kind,
            event.namespace,
            event.redacted,
            event.foreign,
        )

    def _next_part(self) -> list[Event]:
        """Parts that were waiting: those that are complete, and the first that is not, which is live from now on."""
        out: list[Event] = []
        while self._waiting and self.live < 0:
            start, *rest = self._waiting.pop(0)
            assert isinstance(start, PartStart)
            out.append(self._open(start))
            out.extend([_moved(event, self._out) for event in rest])
            if rest and type(rest[-1]) is PartEnd:
                self.live = -1
            else:
                del self._filling[start.index]
        return out

    def _close_all(self) -> list[Event]:
        out: list[Event] = []
        while self.live >= 0:
            out.append(PartEnd(self._out))
            self.live = -1
            out += self._next_part()
        self._plain = None
        self._closed.clear()
        return out


def _moved(event: Event, index: int) -> Event:
    match event:
        case Delta():
            return event if event.index == index else Delta(index, event.text)
        case Cited():
            return event if event.index == index else Cited(index, event.citation)
        case PartEnd():
            return event if event.index == index else PartEnd(index, event.opaque)
    return event
