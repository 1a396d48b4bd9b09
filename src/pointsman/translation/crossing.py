"""A request that is translated: the client's protocol in, the target's out, and the answer back.

Every stage is a module beside this one or a dialect's half (dialects/base.Translation); this one only
lines them up. The gateway uses it as one of its two codecs (gateway/attempt/passthrough.py has the
other). Not here: when bytes are sent, and which protocol is chosen (gateway/attempt).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator

import msgspec

from ..conversation.events import Ended, Event, Failed
from ..conversation.notes import Notes
from ..conversation.profile import Profile
from ..conversation.reply import Reply, fold, unfold
from ..conversation.request import Request
from ..dialects.base import BAD_EVENTS, Answering, Dialect, Reading, Seen, Translation
from ..dialects.capsule import Capsules
from ..dialects.fields import load
from ..dialects.headers import cross_headers
from ..dialects.recall import NOTHING, Keep, Recalled
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.answer import Answer, Headers
from ..wire.http1 import RequestHead
from ..wire.key_mask import KeyMask
from ..wire.sse import EventSplitter
from . import losses
from .adapt import adapt
from .adaptation import Adaptation
from .estimate import estimate_tokens
from .heal import heal
from .reasoning_store import KeptReasoning
from .sequence import Sequencer
from .stops import StopMatcher

log = logging.getLogger("pointsman.translation")

STREAM_ABOVE = 21_000
"""Output tokens from which an answer is asked for as a stream even for a client that wants it whole: vendors refuse or
cut long calls that do not stream
(docs/protocols/requests.md#long-answers-are-asked-for-as-a-stream)."""


class Asked:
    """A client's request in neutral form, read once however many targets are tried."""

    __slots__ = ("capsules", "client", "id", "names", "read_warnings", "request", "strict")

    def __init__(
        self,
        client: Translation,
        body: bytes,
        head: RequestHead,
        request_id: str,
        capsules: Capsules,
        recalled: Recalled = NOTHING,
    ) -> None:
        """Raises PointsmanError 400, naming the field by its path."""
        self.client = client
        self.id = request_id
        self.capsules = capsules
        self.strict = head.get(b"x-pointsman-strict") == b"1"
        notes = Notes(self.strict, client.names)
        self.request = client.parse_request(load(body), Reading(notes, capsules, head.get, recalled))
        self.names = {**client.names, **self.request.paths}
        self.request = heal(self.request, notes)
        self.read_warnings = tuple(notes.warnings)


class Crossing:
    """One attempt's translation. See gateway/attempt/passthrough.Codec. warnings: the value of `x-pointsman-warnings`."""

    translated = True

    __slots__ = (
        "_adaptation",
        "_answering",
        "_asked",
        "_client",
        "_notes",
        "_parse_error",
        "_profile",
        "_reasoning",
        "_upstream",
        "body",
        "mask",
        "path",
        "warnings",
    )

    def __init__(
        self,
        asked: Asked,
        client: Dialect,
        upstream: Dialect,
        profile: Profile,
        reasoning: KeptReasoning | None,
        mask: KeyMask,
        keep: Keep | None = None,
    ) -> None:
        """keep: who remembers the answer. Raises PointsmanError 400 where the target cannot take what was asked."""
        self._asked = asked
        self._client = client
        assert upstream.translation is not None
        self._upstream = upstream.translation
        self._parse_error = upstream.parse_error
        self._profile = profile
        self._reasoning = reasoning
        self.mask = mask
        self._answering = Answering(asked.request, asked.id, int(time.time()), asked.capsules, keep)
        notes = Notes(asked.strict, asked.names)
        notes.warnings.extend(asked.read_warnings)
        request, self._adaptation = adapt(asked.request, profile, notes)
        if not request.stream and profile.stream_long and _longest(request, profile) > STREAM_ABOVE:
            request = msgspec.structs.replace(request, stream=True)
        losses.check(request, self._upstream.carries, notes)
        self.body = self._upstream.render_request(request, profile)
        self.path = upstream.endpoint.path.encode()
        self._notes = notes
        self.warnings = notes.header()

    @property
    def collects(self) -> bool:
        """See Codec: the client did not ask for a stream."""
        return not self._asked.request.stream

    # -- the answer

    def relay(self, readable: bool) -> Translating:
        """See Codec."""
        return Translating(self, self._upstream, self._asked.client, self._answering, self._profile)

    def whole(self, headers: Headers, body: bytes, readable: bool) -> tuple[Answer | None, Seen | None]:
        """See Codec."""
        reader = self._upstream.reader(self._profile)
        try:
            reply = reader.reply(body)
        except (ValueError, PointsmanError):
            return None, reader
        return self._answer(reply, headers) if reader.output else None, reader

    def collected(self, relay: object, headers: Headers, stream: bytes) -> Answer:
        """See Codec."""
        if not self.collects or not isinstance(relay, Translating):
            return Answer(200, self.head_lines(headers), stream)
        reply = fold(relay.events)
        if reply.word:
            self.unknown_stop(reply.word)
        return Answer(200, self.head_lines(headers), self._client_body(reply))

    def _answer(self, reply: Reply, headers: Headers) -> Answer:
        if reply.word:
            self.unknown_stop(reply.word)
        plain = self._adaptation.identity and not self._adaptation.stop
        if plain and not self._asked.request.stream:  # nothing to change on the way back
            return Answer(200, self._headers(headers, b"application/json"), self._client_body(reply))
        events = self.back(unfold(reply))
        if self._asked.request.stream:
            writer = self._asked.client.writer(self._answering)
            body = b"".join([writer.write(event) for event in events])
            return Answer(200, self._headers(headers, b"text/event-stream; charset=utf-8"), body)
        return Answer(200, self._headers(headers, b"application/json"), self._client_body(fold(events)))

    def _client_body(self, reply: Reply) -> bytes:
        if self._reasoning is not None:
            self._reasoning.keep_reply(reply)
        return self._asked.client.render_reply(reply, self._answering)

    def unknown_stop(self, word: str) -> bytes:
        """Nobody knows why the backend stopped: told in the log, and in the warnings header of what is not a stream yet.
        The comment that tells it inside one."""
        self._notes.warnings.append(f"unknown_stop:{word}")
        self.warnings = self._notes.header()
        log.warning("%s: the backend stopped for a reason that nobody knows: %.80r", self._asked.id, word)
        return b": the backend stopped for a reason that nobody knows: %a\n\n" % word[:80]

    def back(self, events: Iterable[Event]) -> Iterator[Event]:
        """A whole answer's events through the stages that a stream's go through."""
        stages = Stages(self._adaptation)
        for event in events:
            yield from stages.add(event)
            if stages.matched:
                return

    def stages(self) -> Stages:
        """New ones, for one stream."""
        return Stages(self._adaptation)

    def error(self, answer: Answer) -> PointsmanError:
        """See Codec."""
        return self.mask.error(self._parse_error(answer.status, self.mask.body(answer.body)))

    def rendered(self, answer: Answer) -> Answer:
        """See Codec."""
        if 300 <= answer.status < 400:
            return answer
        return self.failed(self.error(answer), answer.headers, None)

    def failed(self, error: PointsmanError, headers: Headers, body: bytes | None) -> Answer:
        """See Codec. In the client's protocol, whatever the upstream's own body is."""
        if error.kind is ErrorKind.CONTEXT_LENGTH:
            error.tokens = self._tokens(error)
        body = self._client.error(self.mask.error(error), self._asked.id)
        return Answer(self._client.status(error), self._headers(headers, b"application/json"), body)

    def _tokens(self, error: PointsmanError) -> tuple[int | None, int | None]:
        """Clients act on numbers; the upstream's own where it told them, else an estimate."""
        used, limit = error.tokens
        limit = limit or self._profile.context_window
        if used is None:
            used = estimate_tokens(self._asked.request)
            if limit is not None and used <= limit:
                used = limit + 1
        return used, limit

    def head_lines(self, headers: Headers) -> Headers:
        """See Codec."""
        kind = b"text/event-stream; charset=utf-8" if self._asked.request.stream else b"application/json"
        return self._headers(headers, kind)

    def _headers(self, headers: Headers, content_type: bytes) -> Headers:
        kept = cross_headers(headers, self._client.endpoint.rate_limits)
        return [(b"content-type", content_type), *kept]

    def keep(self, event: Event) -> None:
        """What a Chat client's next request will need and cannot carry."""
        if self._reasoning is not None:
            self._reasoning.keep_event(event)


def _longest(request: Request, profile: Profile) -> int:
    """Output tokens that the backend will be asked for at most."""
    asked = request.max_tokens or profile.max_tokens_default
    return min(asked, profile.max_tokens_limit or asked)


class Stages:
    """Neutral events on their way from reader to writer: one part at a time, names and ids back, stop sequences."""

    __slots__ = ("_adaptation", "_sequencer", "_stops")

    def __init__(self, adaptation: Adaptation) -> None:
        self._sequencer = Sequencer()
        self._adaptation = None if adaptation.identity else adaptation.start()
        self._stops = StopMatcher(adaptation.stop) if adaptation.stop else None

    @property
    def matched(self) -> bool:
        """A stop sequence was met: the answer is whole."""
        return self._stops is not None and self._stops.matched

    def add(self, event: Event) -> Iterable[Event]:
        """One event of the reader; those of the writer."""
        events: Iterable[Event] = self._sequencer.add(event)
        if self._adaptation is not None:
            back = self._adaptation.back
            events = [found for one in events for found in back(one)]
        if self._stops is not None:
            stops = self._stops
            events = [found for one in events for found in stops.add(one)]
        return events


class Translating:
    """A stream translated event by event. See gateway/attempt/relay.Relay. events: the neutral ones, for
    a client that wants it whole."""

    untold = None

    __slots__ = (
        "_crossing",
        "_over",
        "_reader",
        "_splitter",
        "_stages",
        "_stream",
        "_writer",
        "complete",
        "events",
    )

    def __init__(
        self,
        crossing: Crossing,
        upstream: Translation,
        client: Translation,
        answering: Answering,
        profile: Profile,
    ) -> None:
        self._crossing = crossing
        self._reader = upstream.reader(profile)
        self._writer = client.writer(answering)
        self._stream = answering.request.stream
        self._stages = crossing.stages()
        self._splitter = EventSplitter()
        self.events: list[Event] = []
        self.complete = False
        self._over = False  # its end, or its error, has been written

    @property
    def seen(self) -> Seen:
        """The reader is the one reading, too."""
        return self._reader

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        out: list[bytes] = []
        for event in self._splitter.feed(data):
            for found in self._reader.read(event):
                self._pass(found, out)
            if self._reader.unreadable and not self._over:
                error = PointsmanError(
                    ErrorKind.UPSTREAM_ERROR,
                    f"The backend failed: {BAD_EVENTS} of its events could not be read.",
                )
                self._pass(Failed(error), out)
        return b"".join(out)

    def _pass(self, event: Event, out: list[bytes]) -> None:
        if self._over:
            return
        if type(event) is Failed:
            out.append(self.fail(event.error, ""))
            self._over = True
            return
        for ready in self._stages.add(event):
            self._crossing.keep(ready)
            if self._stream:
                out.append(self._writer.write(ready))
            else:
                self.events.append(ready)
            if type(ready) is Ended:
                if self._reader.stop_word and self._stream:
                    out.insert(-1, self._crossing.unknown_stop(self._reader.stop_word))
                self._over = True
                self.complete = self._stages.matched

    def look(self) -> None:
        """See Relay: take() has done it."""

    def end(self) -> bytes:
        """See Relay."""
        out: list[bytes] = []
        rest = self._splitter.finish()
        events = list(self._reader.read(rest)) if rest else []
        for found in (*events, *self._reader.finish()):
            self._pass(found, out)
        return b"".join(out)

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay. An upstream that stays after its last word changes nothing of what was told."""
        return b"" if self._over else self._writer.fail(self._crossing.mask.error(error))

    def ping(self) -> bytes:
        """See Relay."""
        return b"" if self._over else self._writer.ping()
