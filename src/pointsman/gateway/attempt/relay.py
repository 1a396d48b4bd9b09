"""What becomes of an upstream's streamed bytes on their way to the client: passed on, or with one chunk taken out.

A relay turns upstream bytes into client bytes and knows what has been seen. The third kind, which translates, is in
translation/crossing.py. Not here: when bytes may be sent (exchange.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol as TypingProtocol

from ...conversation.usage import TokenUsage
from ...dialects.base import Dialect, SameAgain, Seen
from ...errors import PointsmanError
from ...wire.chunks import CHUNK_END
from ...wire.key_mask import KeyMask
from ...wire.sse import EventSplitter, cut_at_event_end, unframed_error

_OTHER = 8
"""Characters that an event counts as whose text is not known: a piece of a call's arguments, or several at once."""
_AFTER_EVENT = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)")
_TAIL_BYTES = 64 * 1024
"""Of an event still incomplete, so that an in-band error never lands in the middle of one."""


class Relay(TypingProtocol):
    """What came goes through take(), which reads it first: a client acts on the first error that it meets, and on a last
    word, so that neither may go on unread."""

    @property
    def seen(self) -> Seen | None:
        """What has been read of it; None when it cannot be read."""

    @property
    def untold(self) -> PointsmanError | None:
        """An error that does not stand in the client's bytes: it came without event framing, or is concluded."""

    @property
    def complete(self) -> bool:
        """Nothing that the upstream may still send is for the client: its last word has come, or `untold`, or `matched`."""

    @property
    def said(self) -> int:
        """Characters of the answer so far, about: for an answer that is cut before its backend has counted."""

    @property
    def matched(self) -> bool:
        """It ended at a stop sequence of ours, where the upstream goes on."""

    def take(self, data: bytes) -> bytes:
        """Upstream bytes in, client bytes out: whole events only."""

    def end(self) -> bytes:
        """The upstream's stream is over: the client's last bytes, if it was whole."""

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """An in-band error, wherever the stream stands."""

    def ping(self) -> bytes:
        """A keep-alive for a stream that has begun; b"" where nothing of ours may stand in it."""


class Passing:
    """Bytes as they came. One event is held back until it is whole, unless it is very large. same: of events that may pass
    without take(), each in a chunk of its own."""

    __slots__ = (
        "_in_event", "_probe", "_said", "_splitter", "_tail", "complete", "dialect", "mask", "matched", "same", "seen",
        "untold",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, seen: Seen | None, mask: KeyMask) -> None:
        self.dialect = dialect
        self.seen = seen
        self.mask = mask
        self.untold: PointsmanError | None = None
        self.complete = False
        self.matched = False
        self._said = 0
        self._splitter = EventSplitter(short=True)
        self._tail = b""
        self._in_event = False  # what was passed on last is part of an event too large to hold back
        self._probe = mask.probe if mask.masks else None
        if seen is None:
            self.same = SameAgain(())
        else:
            self.same = SameAgain(seen.text_keys, seen.free_keys, self._probe, CHUNK_END)

    @property
    def said(self) -> int:
        """See Relay."""
        return self._said + self.same.said

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        inside = self._in_event
        self.same.forget()
        if not self._tail and data.endswith(b"\n\n"):
            self._in_event = False
            passed = data
        else:
            whole = self._tail + data
            cut = cut_at_event_end(whole)
            if len(whole) - cut > _TAIL_BYTES:
                cut = len(whole)
                self._in_event = True
            elif cut:
                self._in_event = False
            self._tail = whole[cut:]
            passed = whole[:cut]
        seen = self.seen
        if seen is None:
            return self._shown(passed) if self._in_event or self._has_key(passed) else passed
        events = self._splitter.feed(data)
        for event in events:
            text = seen.text_alone(seen.event(event))
            if seen.output:
                self._said += len(text) or _OTHER
            if seen.concluded:
                self.complete = True
                return self._shown(self._what_stood_before(event, events, passed, inside))
        if seen.ended:
            self.complete = True
        if self._in_event or seen.error is not None or self._has_key(passed):
            return self._shown(passed)
        if len(events) == 1 and text and len(passed) == len(events[0]) + 2:
            self.same.learn(passed, text)
        return passed

    def _has_key(self, passed: bytes) -> bool:
        """Perhaps."""
        return self._probe is not None and passed.find(self._probe) >= 0

    def _shown(self, passed: bytes) -> bytes:
        """Without the backend's key in it, however the bytes were cut; an error without any key."""
        mask, seen = self.mask, self.seen
        if self._in_event:
            hanging = mask.hanging(passed)
            if hanging:
                self._tail = passed[-hanging:] + self._tail
                passed = passed[:-hanging]
        return mask.shown(passed) if seen is None or seen.error is None else mask.body(passed)

    def _what_stood_before(self, bad: bytes, events: list[bytes], passed: bytes, inside: bool) -> bytes:
        """An end that cannot be, and an error on which clients do not act, must not reach the client, only what stands
        before it. inside: `passed` begins within an event."""
        assert self.seen is not None
        if self.untold is not None:
            return b""
        self.untold = self.seen.error
        kept = [event + b"\n\n" for event in events[: events.index(bad)]]
        if inside and kept:
            kept[0] = _AFTER_EVENT.split(passed, 1)[0]
        self._in_event = inside and not kept
        return b"".join(kept)

    def end(self) -> bytes:
        """See Relay."""
        seen = self.seen
        rest = self._splitter.finish()  # a last event without its blank line
        if seen is not None and self.untold is None:
            if rest:
                before = seen.malformed
                seen.event(rest)
                if seen.malformed > before and not self._in_event:
                    self._tail = b""  # half an event: no client can read it
            seen.end()
            if seen.error is not None and (seen.concluded or unframed_error(rest)):
                self.untold = seen.error
        if self.untold is not None:
            return b""
        last = self._shown(self._last_bytes(rest))
        if (
            seen is None
            or not seen.finished
            or seen.ended
            or seen.error is not None
            or not self.dialect.last_word
        ):
            return last
        return last + (b"\n\n" if last or self._in_event else b"") + self.dialect.last_word

    def _last_bytes(self, rest: bytes) -> bytes:
        """The client's, of an event that did not end. rest: the same as an event."""
        return self._tail

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay."""
        answer_id = self.seen.answer_id if self.seen is not None else None
        event = self.dialect.stream_error(self.mask.error(error), request_id, answer_id)
        return b"\n\n" + event if self._in_event else event

    def ping(self) -> bytes:
        """See Relay: the stream is the upstream's, byte for byte."""
        return b""


class WithoutUsage(Passing):
    """The events as they came, less the usage-only chunk that is there because we asked for it."""

    __slots__ = ("is_extra",)

    def __init__(
        self, dialect: Dialect, seen: Seen, mask: KeyMask, is_extra: Callable[[bytes], bool]
    ) -> None:
        Passing.__init__(self, dialect, seen, mask)
        self.is_extra = is_extra

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        passed = Passing.take(self, data)
        seen = self.seen
        # It comes last, and has been read by now.
        if seen is None or seen.usage is None or passed.find(b'"usage"') < 0:
            return passed
        # A piece of an event too large to hold back is no chunk, and stays.
        return b"".join([one for one in _AFTER_EVENT.split(passed) if not self._extra(one)])

    def _extra(self, raw: bytes) -> bool:
        return self.is_extra(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))

    def _last_bytes(self, rest: bytes) -> bytes:
        return b"" if self.is_extra(rest) else self._tail


def passing(dialect: Dialect, seen: Seen | None, mask: KeyMask, hide_usage: bool) -> Passing:
    """hide_usage: usage was asked for that the client did not ask for."""
    option = dialect.usage_option
    if hide_usage and seen is not None and option is not None:
        return WithoutUsage(dialect, seen, mask, option.is_extra)
    return Passing(dialect, seen, mask)


def usage_of(seen: Seen | None) -> TokenUsage | None:
    """What the backend has reported so far."""
    return seen.usage if seen is not None else None
