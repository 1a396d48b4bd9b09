"""What is asked of every dialect alike. A dialect's folder has classes that inherit these and name its protocol and rows.

Requests both ways, whole replies both ways, streams written and read, errors, and what is seen of an answer.
"""

from __future__ import annotations

import copy
import json
from typing import Any, ClassVar

import pytest

from pointsman.conversation.events import Ended, Stop
from pointsman.conversation.notes import Notes
from pointsman.conversation.parts import Refusal, Text
from pointsman.conversation.profile import Profile
from pointsman.conversation.reply import CutShort, Reply, fold
from pointsman.conversation.request import Request
from pointsman.dialects.registry import DIALECTS
from pointsman.errors import PointsmanError
from pointsman.kinds import ErrorKind, Protocol
from pointsman.providers.profiles import profile_for
from pointsman.wire.sse import EventSplitter
from tests.vendor_bodies.wire import encoded

from .cases import ReplyCase
from .halves import SPECS, answering, comparable, half, parsed, sent, told, written
from .halves import read as events_of
from .reading import Seen, cut, read, seen
from .verdicts import agree, whole


class WholeRows:
    """wholes: name -> (a JSON value, what is to be seen of it)."""

    protocol: ClassVar[Protocol]
    wholes: ClassVar[dict[str, tuple[Any, Seen]]]

    def test_what_is_seen_of_a_whole_answer(self, whole_row: tuple[Any, Seen]) -> None:
        body, expected = whole_row
        reading = DIALECTS[self.protocol].seen()
        assert reading.whole(encoded(body)) is True
        assert seen(reading) == expected


class SeenRows(WholeRows):
    """streams: name -> (the wire, what is to be seen of it)."""

    streams: ClassVar[dict[str, tuple[bytes, Seen]]]

    def test_what_is_seen_of_a_stream(self, stream_row: tuple[bytes, Seen]) -> None:
        raw, expected = stream_row
        assert read(self.protocol, [raw]) == expected

    def test_a_cut_in_two_anywhere_says_the_same(self, stream_row: tuple[bytes, Seen]) -> None:
        raw, expected = stream_row
        for place in range(1, len(raw), 1 + len(raw) // 150):
            assert read(self.protocol, cut(raw, [place])) == expected, place

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
    def test_any_line_end_and_single_bytes_say_the_same(
        self, stream_row: tuple[bytes, Seen], end: bytes
    ) -> None:
        raw, expected = stream_row
        ended = raw.replace(b"\n", end)
        assert read(self.protocol, [ended]) == expected
        assert read(self.protocol, [ended[at : at + 1] for at in range(len(ended))]) == expected

    def test_flags_only_ever_rise(self, stream_row: tuple[bytes, Seen]) -> None:
        reading = DIALECTS[self.protocol].seen()
        before = seen(reading)
        for event in EventSplitter().feed(stream_row[0]):
            reading.event(event)
            now = seen(reading)
            assert (now.output, now.finished, now.malformed) >= (
                before.output,
                before.finished,
                before.malformed,
            )
            assert now.output >= before.output
            assert now.usage is not None or before.usage is None
            before = now

    def test_no_stream_without_its_end_looks_finished(self, stream_row: tuple[bytes, Seen]) -> None:
        """Cut before the event that ends it, at every byte: never `finished`."""
        raw, expected = stream_row
        if not expected.finished or expected.error is not None:
            return
        events = EventSplitter().feed(raw)
        ends = (
            at for at in range(len(events)) if read(self.protocol, [b"\n\n".join(events[: at + 1])]).finished
        )
        before = raw[: len(b"\n\n".join(events[: next(ends)]))]
        for end in range(0, len(before), 1 + len(before) // 60):
            assert not read(self.protocol, [before[:end]]).finished


class Verdicts(SeenRows):
    """The same rows of a dialect that translates: translated, they are judged as they are when they pass."""

    def test_a_stream_is_judged_alike_on_every_path(self, stream_row: tuple[bytes, Seen]) -> None:
        agree(self.protocol, [stream_row[0]])

    def test_a_whole_answer_is_judged_alike_on_every_path(self, whole_row: tuple[Any, Seen]) -> None:
        whole(self.protocol, encoded(whole_row[0]))


class Requests:
    protocol: ClassVar[Protocol]

    def otherwise(self, said: dict[str, Any]) -> None:
        """Changes what this protocol has no words for, or other ones."""

    def test_a_request_rendered_is_read_back(self, request_case: Request) -> None:
        profile = profile_for(SPECS[self.protocol][0], self.protocol, SPECS[self.protocol][1])
        notes = Notes()
        before = copy.deepcopy(request_case)
        body = sent(self.protocol, request_case, profile, notes)
        assert request_case == before
        assert notes.warnings == []
        again = comparable(parsed(self.protocol, json.loads(body)))
        expected = comparable(request_case)
        self.otherwise(expected)
        again["cache_auto"] = expected["cache_auto"]  # asked for on the way out where tools are used
        assert again == expected


class Replies:
    """words: does the protocol keep a refusal apart from a text?"""

    protocol: ClassVar[Protocol]
    words: ClassVar[bool] = True

    def same(self, found: Reply, reply: Reply) -> None:
        if not self.words:
            found, reply = said_as_text(found), said_as_text(reply)
        assert told(found) == told(reply)

    def test_a_whole_reply_written_is_read_back(self, reply_case: ReplyCase) -> None:
        body = half(self.protocol).render_reply(reply_case.reply, answering(stream=False))
        self.same(half(self.protocol).reader(Profile()).reply(body), reply_case.reply)

    def test_a_stream_written_is_read_back(self, reply_case: ReplyCase) -> None:
        raw = written(self.protocol, reply_case.reply)
        self.same(fold(events_of(self.protocol, [raw])), reply_case.reply)
        pieces = [raw[at : at + 7] for at in range(0, len(raw), 7)]
        self.same(fold(events_of(self.protocol, pieces)), reply_case.reply)

    def test_a_stream_cut_short_is_no_reply(self, reply_case: ReplyCase) -> None:
        events = EventSplitter().feed(written(self.protocol, reply_case.reply))
        parts = [b"\n\n".join(events[:count]) + b"\n\n" for count in range(1, len(events) + 1)]
        short = [part for part in parts if not read(self.protocol, [part]).finished]
        found = events_of(self.protocol, [short[-1]])
        assert not any(isinstance(one, Ended) for one in found)
        with pytest.raises(CutShort):
            fold(found)

    def test_its_verdict(self, reply_case: ReplyCase) -> None:
        reply = reply_case.reply
        streamed = agree(self.protocol, [written(self.protocol, reply)])
        body = half(self.protocol).render_reply(reply, answering(stream=False))
        assert whole(self.protocol, body) == streamed
        assert (streamed.answered, streamed.finished, streamed.error) == (reply_case.answered, True, None)
        assert (streamed.stop, streamed.refused) == (reply.stop, reply.stop is Stop.REFUSAL)
        assert streamed.usage is not None
        assert reply.usage is not None
        assert (streamed.usage.input, streamed.usage.output) == (reply.usage.input, reply.usage.output)


def said_as_text(reply: Reply) -> Reply:
    parts = [Text(part.text) if isinstance(part, Refusal) else part for part in reply.parts]
    return Reply(reply.id, reply.model, parts, reply.stop, usage=reply.usage)


KINDS = (
    ErrorKind.BAD_REQUEST,
    ErrorKind.UNAUTHORIZED,
    ErrorKind.RATE_LIMITED,
    ErrorKind.CONTEXT_LENGTH,
    ErrorKind.OVERLOADED,
    ErrorKind.UPSTREAM_ERROR,
)


class Errors:
    """in_band: the kinds that an error inside a stream of this protocol still tells; others are the backend's own."""

    protocol: ClassVar[Protocol]
    in_band: ClassVar[frozenset[ErrorKind]]

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_error_body_written_is_read_back(self, kind: ErrorKind) -> None:
        dialect, error = DIALECTS[self.protocol], PointsmanError(kind, "It is so.")
        again = dialect.parse_error(dialect.status(error), dialect.error(error, "req_1"))
        assert again.kind is kind
        assert "It is so." in again.public

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_error_in_a_stream_is_seen(self, kind: ErrorKind) -> None:
        raw = DIALECTS[self.protocol].stream_error(PointsmanError(kind, "It is so."), "req_1")
        verdict = agree(self.protocol, [raw])
        assert verdict.error is not None
        assert verdict.error[0] is (kind if kind in self.in_band else ErrorKind.UPSTREAM_ERROR)
        assert verdict.stop is None
