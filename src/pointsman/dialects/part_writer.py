"""What the writers of all protocols do alike. Not here: any protocol's frames (each `writer.py`)."""

from __future__ import annotations

from collections.abc import Mapping

from ..conversation.events import (
    Cited,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    PartEnd,
    PartStart,
    Started,
    Stop,
    UsageSeen,
)
from ..conversation.usage import TokenUsage
from ..errors import PointsmanError
from .base import Answering, IllegalMove


class Moves:
    """A grammar of frames: what may follow what. table: frame -> the frames that may come next; "" is the start."""

    __slots__ = ("_table", "at")

    def __init__(self, table: Mapping[str, frozenset[str]]) -> None:
        self._table = table
        self.at = ""

    def again(self, frame: str) -> None:
        """The same, of a frame that may follow itself."""
        if frame is not self.at:
            self.to(frame)

    def to(self, frame: str) -> None:
        """Take the step. Raises IllegalMove."""
        if frame not in self._table[self.at]:
            raise IllegalMove(f"{frame} cannot follow {self.at or 'the start'}")
        self.at = frame


class PartWriter:
    """What every writer does alike: an event goes to the method of its kind; usage and the reason to stop are kept for
    the end, where all protocols tell them."""

    __slots__ = ("_answering", "_finish", "_moves", "_usage")

    def __init__(self, answering: Answering, table: Mapping[str, frozenset[str]]) -> None:
        self._answering = answering
        self._moves = Moves(table)
        self._usage: TokenUsage | None = None
        self._finish = Finished(Stop.END)

    def write(self, event: Event) -> bytes:
        """See Writer."""
        if type(event) is Delta:  # by far the commonest
            return self.more(event.text)
        match event:
            case PartStart():
                return self._start(event)
            case PartEnd():
                return self._end(event)
            case Cited():
                return self._cite(event)
            case Started():
                return self._begin(event)
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                self._finish = event
            case Ended():
                return self._close()
            case Failed():
                return self.fail(event.error)
        return b""

    def fail(self, error: PointsmanError) -> bytes:
        """See Writer."""
        raise NotImplementedError

    def _begin(self, event: Started) -> bytes:
        """The answer's first frames."""
        raise NotImplementedError

    def _start(self, event: PartStart) -> bytes:
        raise NotImplementedError

    def more(self, text: str) -> bytes:
        """More of the open part: write() of a Delta."""
        raise NotImplementedError

    def _cite(self, event: Cited) -> bytes:
        raise NotImplementedError

    def _end(self, event: PartEnd) -> bytes:
        raise NotImplementedError

    def _close(self) -> bytes:
        """The answer's last frames."""
        raise NotImplementedError
