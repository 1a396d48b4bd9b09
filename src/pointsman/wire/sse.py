"""Server-sent events: bytes in, whole events out, however the bytes were cut. Not here: what an event means.

Line ends may be LF, CRLF or CR (WHATWG HTML, section 9.2.5). An event is given without its blank line.
"""

from __future__ import annotations

MAX_EVENT = 8 * 1024 * 1024
"""Bytes kept of one event while it is incomplete; of a longer one only the first KEPT bytes are given."""
KEPT = 4096
_LF, _CR = 10, 13
"""As numbers: `in` asks bytes whether they are a number first, which costs more than the search."""


class EventSplitter:
    """feed(bytes) -> the events they complete; finish() -> what was left. Memory: one event, at most MAX_EVENT."""

    __slots__ = ("_cr", "_overflow", "_pending", "_size")

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._size = 0
        self._cr = False
        self._overflow = False

    def feed(self, data: bytes) -> list[bytes]:
        """Events completed by `data`, line ends as LF."""
        if (
            data.find(b"\n\n") == len(data) - 2 > 0
            and not self._pending
            and not self._cr
            and data.find(b"\r") < 0  # of bytes, half the cost of `in`
            and data[0] != _LF
            and len(data) <= MAX_EVENT
        ):
            return [data[:-2]]  # the commonest: one event, whole
        if self._cr:
            data = b"\r" + data
            self._cr = False
        if _CR in data:
            if data.endswith(b"\r"):  # its LF may come next
                self._cr = True
                data = data[:-1]
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._pending:
            if b"\n\n" not in data and not (data[:1] == b"\n" and self._pending[-1].endswith(b"\n")):
                self._keep(data)
                return []
            if self._overflow:
                return self._end_of_long_one(data)
            data = b"".join(self._pending) + data
            self._forget()
        events = data.split(b"\n\n")
        rest = events.pop()
        if rest:
            self._keep(rest)
        events = [event for event in map(_unpadded, events) if event]
        return events if len(data) <= MAX_EVENT else [_bounded(event) for event in events]

    def finish(self) -> bytes:
        """The incomplete event at the end of the stream, b"" when there is none."""
        rest = self._pending[0] if self._overflow else b"".join(self._pending)
        self._forget()
        self._cr = False
        return _bounded(rest.strip(b"\n"))

    def _forget(self) -> None:
        self._pending.clear()
        self._size = 0
        self._overflow = False

    def _end_of_long_one(self, data: bytes) -> list[bytes]:
        """Its first bytes, and whatever follows it in `data`."""
        first = self._pending[0]
        split_by_the_cut = data[:1] == b"\n" and self._pending[-1] == b"\n"
        rest = data[1:] if split_by_the_cut else data[data.index(b"\n\n") + 2 :]
        self._forget()
        cr, self._cr = self._cr, False  # of the end of `data`, which feed() has cut off already
        events = [first, *self.feed(rest)]
        self._cr = cr
        return events

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        if self._overflow:
            self._pending[-1] = data[-1:]  # only what decides where the event ends
            return
        self._pending.append(data)
        if self._size > MAX_EVENT + 2:  # a line end before and one after are not the event's
            self._pending = [_bounded(_unpadded(b"".join(self._pending))), data[-1:]]
            self._overflow = True


def _bounded(event: bytes) -> bytes:
    return event if len(event) <= MAX_EVENT else event[:KEPT]


def _unpadded(event: bytes) -> bytes:
    return event.lstrip(b"\n") if event.startswith(b"\n") else event


def data_of(event: bytes) -> bytes:
    """The event's data lines joined by LF; b"" for a comment."""
    begins = event[:5]  # the two common forms first: one line of data, and a name before it
    if begins == b"data:" and _LF not in event:
        return event[6:] if event[5:6] == b" " else event[5:]
    if begins == b"event":
        name, found, data = event.partition(b"\ndata: ")
        if found and _LF not in data and _LF not in name:
            return data
    lines = []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines)


def name_of(event: bytes) -> bytes:
    """The event's name, b"" when it has none."""
    for line in event.split(b"\n"):
        if line.startswith(b"event:"):
            return line[6:].strip(b" ")
    return b""


def cut_at_event_end(data: bytes) -> int:
    """How many leading bytes of `data` are whole events (raw bytes, their blank line included)."""
    if data.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
        return len(data)
    lf, crlf, cr = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n"), data.rfind(b"\r\r")
    return max(lf + 2 if lf >= 0 else 0, crlf + 4 if crlf >= 0 else 0, cr + 2 if cr >= 0 else 0)


def unframed_error(event: bytes) -> bytes:
    """An error's JSON without event framing, as some servers end a stream (llmgateway#3616); b"" for anything else."""
    return event if event.startswith(b"{") and b'"error"' in event else b""
