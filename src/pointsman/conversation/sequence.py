"""Parts one after the other: what a reader may interleave (parallel tool calls do) is put in order for the writers.

The lowest open part streams live, later ones wait for their turn. Indices out are 0, 1, 2, ... Already sequential
events pass with hardly any cost. Not here: any protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from .events import Cited, Delta, Ended, Event, Failed, Finished, PartEnd, PartKind, PartStart


class Sequencer:
    """add(event) -> the events that may go out now. Memory: what waits for its turn."""

    __slots__ = ("_live", "_next", "_waiting")

    def __init__(self) -> None:
        self._live: tuple[int, int] | None = None  # (index in, index out) of the open part
        self._next = 0
        self._waiting: dict[int, list[Event]] = {}  # by index in, in order of their starts

    def add(self, event: Event) -> Sequence[Event]:
        """One event of the reader."""
        kind = type(event)
        if kind is Delta or kind is Cited or kind is PartEnd:
            assert isinstance(event, Delta | Cited | PartEnd)
            return self._of_part(event)
        if isinstance(event, PartStart):
            return self._start(event)
        if kind is Finished or kind is Ended or kind is Failed:
            return [*self._close_all(), event]
        return (event,)

    def _of_part(self, event: Delta | Cited | PartEnd) -> Sequence[Event]:
        live = self._live
        if live is None or event.index != live[0]:
            if event.index in self._waiting:
                self._waiting[event.index].append(event)
            return ()
        out = _moved(event, live[1])
        if type(event) is not PartEnd:
            return (out,)
        self._live = None
        return [out, *self._next_part()]

    def _start(self, event: PartStart) -> Sequence[Event]:
        if self._live is None:
            return (self._open(event),)
        if event.kind is PartKind.TOOL or self._waiting:
            self._waiting[event.index] = [event]
            return ()
        # Text or thinking begins while another part is open: that one is over.
        closed = PartEnd(self._live[1])
        self._live = None
        return (closed, self._open(event))

    def _open(self, event: PartStart) -> PartStart:
        out = self._next
        self._next += 1
        self._live = (event.index, out)
        if out == event.index:
            return event
        return PartStart(
            out,
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
        while self._waiting and self._live is None:
            start, *rest = self._waiting.pop(next(iter(self._waiting)))
            assert isinstance(start, PartStart)
            opened = self._open(start)
            out.append(opened)
            out.extend(_moved(event, opened.index) for event in rest)
            if rest and type(rest[-1]) is PartEnd:
                self._live = None
        return out

    def _close_all(self) -> list[Event]:
        out: list[Event] = []
        while self._live is not None or self._waiting:
            if self._live is not None:
                out.append(PartEnd(self._live[1]))
                self._live = None
            out.extend(self._next_part())
        return out


def _moved(event: Event, index: int) -> Event:
    match event:
        case Delta():
            return event if event.index == index else Delta(index, event.text)
        case Cited():
            return Cited(index, event.citation)
        case PartEnd():
            return event if event.index == index else PartEnd(index, event.opaque)
    return event
