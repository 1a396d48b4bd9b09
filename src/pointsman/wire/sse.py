"""Server-sent events: bytes in, whole events out, however the bytes were cut. Not here: what an event means.

Line ends may be LF, CRLF or CR (WHATWG HTML, section 9.2.5). An event is given without its blank line.
"""

from __future__ import annotations

import re

MAX_EVENT = 32 * 1024 * 1024
"""Bytes kept of one event while it is incomplete; of a longer one only the first KEPT bytes are given."""
KEPT = 4096
LARGE_EVENT = 1024 * 1024
"""Bytes from which an event's long strings are cut, where it is only judged."""
LONG_STRING = 64 * 1024
BOM = b"\xef\xbb\xbf"
_LF, _CR = 10, 13
"""As numbers: `in` asks bytes whether they are a number first, which costs more than the search."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""A JSON string without its closing quote, which may be on its way; or what stands between two. Possessive: linear."""
_HEAD = re.compile(rb'"[^\\{}\[\]]{0,32}')
_CUT = "\u2026".encode()
_BETWEEN = frozenset((b",", b":", b"}", b"]", b" ", b"\t", b"\n", b"\r"))
_FIELD = re.compile(rb"[\r\n]*(?:data|event|id|retry)?:")
_FIELD_NAMES = (b"data:", b"event:", b"id:", b"retry:")


def begins_events(data: bytes) -> bool | None:
    """Are these the first bytes of a stream of events, whatever their label says? None: too few of them. JSON cannot
    begin so, nor a page. Without a byte order mark, which may stand before them."""
    if _FIELD.match(data):
        return True
    begun = data.lstrip(b"\r\n")
    return None if any(name.startswith(begun) for name in _FIELD_NAMES) else False


class EventSplitter:
    """feed(bytes) -> the events they complete; finish() -> what was left. Memory: one event, at most MAX_EVENT.

    short: events are only judged, so the long strings of large ones are cut: a picture costs no memory. Else only those of
    an event above MAX_EVENT are: abridged counts them, each the first of what feed() gives. cut: so many events were too
    long all the same, and were given without their end.
    """

    def __init__(self, *, short: bool = False) -> None:
        self._pending: list[bytes] = []
        self._size = 0
        self._short = short
        self._shorten_at = LARGE_EVENT if short else MAX_EVENT
        self._shortened = False  # what is pending
        self._cr = False
        self._overflow = False
        self.cut = 0
        self.abridged = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Events completed by `data`, line ends as LF."""
        if (
            data.find(b"\n\n") == len(data) - 2 > 0
            and not self._pending
            and not self._cr
            and data.find(b"\r") < 0  # of bytes, half the cost of `in`
            and data[0] != _LF
            and len(data) <= LARGE_EVENT
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
            large = self._shortened
            self._forget()
            if large:
                self.abridged += not self._short
                first, _, data = data.lstrip(b"\n").partition(b"\n\n")
                return [shortened(first), *self._more(data)]
        return self._more(data)

    def _more(self, data: bytes) -> list[bytes]:
        events = data.split(b"\n\n")
        rest = events.pop()
        if rest:
            self._keep(rest)
        events = [event for event in map(_unpadded, events) if event]
        return events if len(data) <= LARGE_EVENT else [self._bounded(event) for event in events]

    def finish(self) -> bytes:
        """The incomplete event at the end of the stream, b"" when there is none."""
        rest = self._pending[0] if self._overflow else b"".join(self._pending)
        if self._shortened:
            self.abridged += not self._short
            rest = shortened(rest)
        self._forget()
        self._cr = False
        return self._bounded(rest.strip(b"\n"))

    def _forget(self) -> None:
        self._pending.clear()
        self._size = 0
        self._shorten_at = LARGE_EVENT if self._short else MAX_EVENT
        self._shortened = False
        self._overflow = False

    def _bounded(self, event: bytes) -> bytes:
        if self._short and len(event) > LARGE_EVENT:
            event = shortened(event)
        if len(event) <= MAX_EVENT:
            return event
        self.cut += 1
        return event[:KEPT]

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
        if self._size > self._shorten_at:
            short = shortened(_unpadded(b"".join(self._pending)))
            self._shortened, self._pending, self._size = True, [short], len(short)
            self._shorten_at = 2 * self._size + LARGE_EVENT  # so that many small pieces cost linear time
        if self._size > MAX_EVENT + 2:  # a line end before and one after are not the event's
            self._pending = [self._bounded(_unpadded(b"".join(self._pending))), data[-1:]]
            self._overflow = True


def shortened(event: bytes) -> bytes:
    """The same event with the long strings of its JSON cut, and those that were cut before once more: a beginning that
    nothing is open in, and a mark. It may end in the middle of one."""
    return _STRING.sub(_cut, event)


def _cut(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if (len(text) <= LONG_STRING and _CUT not in text[:64]) or text[1:2] in _BETWEEN:
        return text
    head = _HEAD.match(text)
    assert head is not None
    return head[0].partition(_CUT)[0].decode("utf-8", "ignore").encode() + _CUT


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
    """An error's JSON without event framing, as some servers end a stream (llmgateway#3616), or in a field of its own
    (`error: {...}`, older llama.cpp); b"" for anything else."""
    if event.startswith(b"error:"):
        return event[6:].strip()
    return event if event.startswith(b"{") else b""
