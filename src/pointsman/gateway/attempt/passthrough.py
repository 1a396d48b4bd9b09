"""A request that goes as it is: its bytes upstream, and what is made of the answer; and what every codec of an attempt
offers (Codec).

translation/crossing.py has the other codec, which translates. Not here: when bytes are sent (exchange.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol as TypingProtocol

from ...dialects.base import Dialect, Seen
from ...dialects.beside import BesideSeen
from ...dialects.media import Media
from ...dialects.recall import Keep
from ...errors import PointsmanError
from ...kinds import ErrorKind
from ...wire.answer import Answer, Headers
from ...wire.key_mask import KeyMask
from ...wire.splice import has_flag
from ..request.job import Note
from .answer import as_json, label_of, labelled_as
from .relay import Relay, passing

JSON: Headers = [(b"content-type", b"application/json")]


class Codec(TypingProtocol):
    """From one attempt's request to its answer.

    body: the request's bytes for this target. path: where it is posted, query included. translated:
    nothing of a whole answer can be sent before all of it is there. mask: what every error that it
    makes has gone through. warnings: what was lost, for `x-pointsman-warnings`; complete with the answer.
    """

    translated: bool
    body: bytes
    path: bytes
    mask: KeyMask
    warnings: bytes

    def relay(self) -> Relay:
        """For an answer that streams."""

    def whole(self, headers: Headers, body: bytes) -> tuple[Answer | None, Seen | None]:
        """A whole answer with status 2xx as the client gets it, and what has been read of it: None when it cannot be
        read. No answer: nothing can be made of it for this client."""

    def error(self, answer: Answer) -> PointsmanError:
        """An answer whose status is an error, in our words: as the backend's protocol says it."""

    def rendered(self, answer: Answer) -> Answer:
        """Any other answer (an error, a 304) as the client gets it."""

    def failed(self, error: PointsmanError, headers: Headers, body: bytes | None) -> Answer:
        """What the client gets of an answer with status 2xx that said inside that it failed, when nothing has been
        sent. body: the upstream's own, of a whole answer."""

    def head_lines(self, headers: Headers) -> Headers:
        """The upstream's headers for a stream."""

    def collected(self, relay: Relay, headers: Headers, stream: bytes) -> Answer:
        """A stream that is over and was an answer, all of it held: as the client gets it."""

    @property
    def member(self) -> bytes:
        """What stands in every whole answer, b"" where nobody knows."""

    @property
    def collects(self) -> bool:
        """Does the client get a stream's answer only when all of it is there?"""

    media: Media | None
    """The path is one of these."""
    note: Note | None
    """Is told the answer's id once the answer is the client's; None: it cannot be asked for again."""


class AnswerWatch(TypingProtocol):
    """See loops.LoopWatch."""

    def take(self, data: bytes) -> bool: ...

    def whole(self, body: bytes) -> bool: ...

    @property
    def error(self) -> PointsmanError: ...


@dataclass(slots=True, eq=False)
class Passthrough:
    """Same protocol on both ends: bytes as they came. known: the path is one whose answers the
    dialect can read. hide_usage: usage was asked for that the client did not ask for. keep: who
    remembers the answer, None for nobody. stream: the client asked for one. main: the path is the protocol's own."""

    dialect: Dialect
    path: bytes
    body: bytes
    request_id: str
    known: bool
    hide_usage: bool
    mask: KeyMask
    keep: Keep | None = None
    silent_end: bool = False  # see BackendSpec
    stream: bool = False
    main: bool = False
    media: Media | None = None
    note: Note | None = None
    translated = False
    warnings = b""

    def relay(self) -> Relay:
        """See Codec."""
        seen: Seen | None = self.dialect.seen() if self.known else None
        if self.media is not None:
            seen = self.media.seen("")
        if seen is not None:
            seen.remembered_by(self.keep)
            if self.silent_end:
                seen.ends_silently()
        return passing(self.dialect, seen, self.mask, self.hide_usage)

    def whole(self, headers: Headers, body: bytes) -> tuple[Answer | None, Seen | None]:
        """See Codec."""
        answer = Answer(200, headers, body)
        if self.media is not None:
            read = self.media.seen(label_of(headers))
            read.whole(body)
            return answer, read
        if not self.known:
            return answer, None
        if self.main or self.dialect.translation is None:
            seen = self.dialect.seen()
        else:
            seen = BesideSeen(counts=self._counts)
        seen.remembered_by(self.keep)
        seen.whole(body)
        if self.stream and self.main and seen.finished and seen.error is None:
            answer = self._retold(answer)
        return answer, seen

    def _retold(self, answer: Answer) -> Answer:
        """A whole answer as the stream that was asked for (docs/protocols/streams.md#a-whole-answer-for-a-stream)."""
        retelling = self.dialect.retelling
        if retelling is None or not (told := retelling.streamed(answer.body, self._asks_for_usage)):
            return answer
        return Answer(200, labelled_as(b"text/event-stream", answer.headers), told)

    @property
    def _asks_for_usage(self) -> bool:
        return not self.hide_usage and has_flag(self.body, "stream_options", "include_usage")

    @property
    def member(self) -> bytes:
        """See Codec."""
        if self.media is not None:
            return self.media.member
        if self.main:
            return self.dialect.seen().member
        return b'"input_tokens"' if self._counts else b""

    @property
    def _counts(self) -> bool:
        translation = self.dialect.translation
        path = self.path.partition(b"?")[0].decode("ascii")
        return translation is not None and path == translation.count_path

    @property
    def collects(self) -> bool:
        """See Codec: a stream that nobody asked for."""
        return self.main and not self.stream

    def failed(self, error: PointsmanError, headers: Headers, body: bytes | None) -> Answer:
        """See Codec. The upstream's own words are kept where they can be."""
        error = self.mask.error(error)
        status = self.dialect.status(error)
        if body is not None and self.dialect.is_error(body):
            return Answer(status, headers, self.mask.body(body))
        lines = JSON if body is None else as_json(headers)
        return Answer(status, lines, self.dialect.error(error, self.request_id))

    def error(self, answer: Answer) -> PointsmanError:
        """See Codec."""
        body = self.mask.body(answer.body)
        return self.mask.error(self.dialect.parse_error(answer.status, body))

    def rendered(self, answer: Answer) -> Answer:
        """See Codec. An error in the protocol's own form is passed on byte for byte; any other is told in that form, with
        its words and its status: clients act on what they can read (docs/protocols/errors.md#bodies-of-a-backends-own).
        """
        body = self.mask.body(answer.body)
        # without a body of its own: it may be a HEAD
        as_it_is = answer.status < 400 or not self.body or self.dialect.is_error(body)
        if as_it_is and answer.status < 500:
            return Answer(answer.status, answer.headers, body)
        error = self.error(answer)
        if as_it_is:  # an input that is too long is no fault of the server's, whatever its status says
            too_long = bool(self.body) and error.kind is ErrorKind.CONTEXT_LENGTH
            return Answer(error.status if too_long else answer.status, answer.headers, body)
        status = error.status if error.kind is ErrorKind.CONTEXT_LENGTH else answer.status
        return Answer(status, as_json(answer.headers), self.dialect.error(error, self.request_id))

    def head_lines(self, headers: Headers) -> Headers:
        """See Codec."""
        return headers

    def collected(self, relay: Relay, headers: Headers, stream: bytes) -> Answer:
        """See Codec."""
        retelling = self.dialect.retelling
        if retelling is None or not self.collects:
            return Answer(200, headers, stream)
        return Answer(200, as_json(headers), retelling.assembled(stream))


@dataclass(slots=True, eq=False)
class Revising(Passthrough):
    """The same, but a whole answer is held to its end and revised (Dialect.revision)."""

    revise: Callable[[bytes], bytes] = field(kw_only=True)
    translated = True

    def whole(self, headers: Headers, body: bytes) -> tuple[Answer | None, Seen | None]:
        """See Codec."""
        return Passthrough.whole(self, headers, self.revise(body))
