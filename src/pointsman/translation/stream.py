"""A stream translated event by event: upstream bytes in, the client's out. One of the gateway's relays
(gateway/attempt/relay.Relay).

Here also: which whole answers are asked for as a stream. Not here: whole answers and the request
(crossing.py), and when bytes are sent (gateway/attempt).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol as TypingProtocol

import msgspec

from ..conversation.events import Cited, Delta, Ended, Event, Failed, PartStart, Started, UsageSeen
from ..conversation.parts import Citation, Foreign
from ..conversation.profile import Profile
from ..conversation.request import Request
from ..conversation.usage import TokenUsage
from ..dialects.base import BAD_EVENTS, Reader, Seen, Writer
from ..dialects.ids import marked_id, told_id
from ..dialects.part_writer import PartWriter
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.key_mask import KeyMask
from ..wire.sse import EventSplitter
from .adaptation import Adaptation
from .reasoning_store import KeptReasoning
from .sequence import Sequencer
from .stops import StopMatcher
from .usable_calls import UsableCalls

STREAM_ABOVE = 21_000
"""Output tokens from which an answer is asked for as a stream even for a client that wants it whole: vendors refuse or
cut long calls that do not stream
(docs/protocols/requests.md#long-answers-are-asked-for-as-a-stream)."""
_ENOUGH = 4096
"""Characters by which a picture is found again in what was written."""


class StreamOwner(TypingProtocol):
    """What a stream asks of the request that it answers."""

    mask: KeyMask

    def began(self, upstream_id: str) -> None:
        """The answer has begun, under the backend's id."""

    def unknown_stop(self, word: str) -> bytes:
        """Tell that nobody knows why the backend stopped; the comment for the stream."""

    def found_tag(self, tag: str) -> bytes:
        """Tell, the same way, that reasoning stood in the text in other tags than the usual; b"" where it did not."""

    def mended(self, tool: str) -> bytes:
        """Tell, the same way, that the arguments of a call of this tool were not the JSON of an object as they came."""

    def misfit(self, tool: str, why: str) -> bytes:
        """Tell, the same way, that the arguments of a call of this tool do not fit its schema, of which the backend got
        another one."""

    def not_shown(self, part: Foreign) -> bytes:
        """Tell, the same way, that the client gets nothing of this part."""

    def not_cited(self, citation: Citation) -> bytes:
        """The same of a citation, where its protocol has no form for such a one; b"" where it has."""

    def usage(
        self, told: TokenUsage | None, characters: int, *, ended_here: bool
    ) -> tuple[TokenUsage | None, bytes]:
        """(what a client gets of the usage that the backend told, the comment where that is not all of it). characters: of
        the answer. ended_here: at a stop sequence of ours, so that nobody could count all of it."""


def shows(written: bytes, part: Foreign) -> bool:
    """Does what a client gets hold a block of another vendor: its pictures, or else its id or its words?"""
    if part.shown:
        return all((one.url or one.data or "")[:_ENOUGH].encode() in written for one in part.shown)
    words = msgspec.json.encode(part.text.strip())[1:-1]
    return any(said and said in written for said in (part.id.encode(), words))


class Stages:
    """Neutral events on their way from reader to writer: ids of our own, one part at a time, names back, calls that can be
    used, stop sequences."""

    __slots__ = ("_adaptation", "_calls", "_calls_wait", "_kept", "_request_id", "_sequencer", "_stops")

    def __init__(
        self,
        adaptation: Adaptation,
        request: Request,
        request_id: str = "",
        kept: KeptReasoning | None = None,
        *,
        whole: bool = False,
    ) -> None:
        """request: the client's. request_id: ours, which ids of calls are made from. kept: who remembers those that are
        too long. whole: no one waits for its parts."""
        self._request_id = request_id
        self._kept = kept
        self._sequencer = Sequencer()
        self._calls = UsableCalls(request, adaptation.rewritten, whole=whole)
        self._calls_wait = False  # for more of one
        self._adaptation = None if adaptation.identity else adaptation.start()
        self._stops = StopMatcher(adaptation.stop) if adaptation.stop else None

    @property
    def matched(self) -> bool:
        """A stop sequence was met: the answer is whole."""
        return self._stops is not None and self._stops.matched

    @property
    def mended(self) -> str:
        """See UsableCalls."""
        return self._calls.mended

    @property
    def misfits(self) -> list[tuple[str, str]]:
        """See UsableCalls."""
        return self._calls.misfits

    def passes(self, part: int) -> bool:
        """Is this the part that streams, and does no stage change what comes of it? Else add() must be asked."""
        if self._stops is not None or self._adaptation is not None or self._calls_wait:
            return False
        return self._sequencer.live == part

    def add(self, event: Event) -> Iterable[Event]:
        """One event of the reader; those of the writer."""
        if type(event) is PartStart and event.call_id:
            event = msgspec.structs.replace(event, call_id=self._told(event.call_id))
        events: Iterable[Event] = self._sequencer.add(event)
        if self._adaptation is not None:
            back = self._adaptation.back
            events = [found for one in events for found in back(one)]
        if self._calls_wait or type(event) is not Delta:
            usable = self._calls.add
            events = [found for one in events for found in usable(one)]
            self._calls_wait = self._calls.waits
        if self._stops is not None:
            stops = self._stops
            events = [found for one in events for found in stops.add(one)]
        return events

    def _told(self, call_id: str) -> str:
        told, marked = told_id(call_id, self._request_id), marked_id(call_id, self._request_id)
        if told != marked and self._kept is not None:
            self._kept.keep_id(told, marked)
        return told


class Translating:
    """See gateway/attempt/relay.Relay. events: the neutral ones, for a client that wants it whole."""

    __slots__ = (
        "_kept",
        "_mask",
        "_over",
        "_owner",
        "_parts",
        "_reader",
        "_splitter",
        "_stages",
        "_stream",
        "_writer",
        "events",
        "said",
        "untold",
    )  # fmt: skip

    def __init__(
        self,
        owner: StreamOwner,
        reader: Reader,
        writer: Writer,
        stages: Stages,
        kept: KeptReasoning | None,
        *,
        stream: bool,
    ) -> None:
        """kept: who remembers what the client's next request will need, and may not bring. stream: False where the client
        wants it whole."""
        self._owner = owner
        self._kept = kept
        self._mask = owner.mask if owner.mask.masks else None
        self._reader = reader
        self._writer = writer
        self._parts = writer if isinstance(writer, PartWriter) else None  # takes more of a part by its text
        self._stages = stages
        self._stream = stream
        self._splitter = EventSplitter()
        self.said = 0  # of the answer so far
        self.events: list[Event] = []
        self.untold: PointsmanError | None = None  # see gateway/attempt/relay.Relay: it has a form for all
        self._over = False  # its end, or its error, has been written

    @property
    def seen(self) -> Seen:
        """The reader is the one reading, too."""
        return self._reader

    @property
    def matched(self) -> bool:
        """See Relay."""
        return self._over and self._stages.matched

    @property
    def complete(self) -> bool:
        """See Relay."""
        return self._reader.ended or self.matched

    @property
    def tag(self) -> str:
        """See Reader."""
        return self._reader.tag

    @property
    def mended(self) -> str:
        """See UsableCalls."""
        return self._stages.mended

    @property
    def misfits(self) -> list[tuple[str, str]]:
        """See UsableCalls."""
        return self._stages.misfits

    def take(self, data: bytes) -> bytes:
        """See Relay."""
        out: list[bytes] = []
        splitter, reader = self._splitter, self._reader
        abridged = splitter.abridged
        for event in splitter.feed(data):
            text = reader.more(event) if abridged == splitter.abridged else ""
            if text:  # by far the commonest
                if not self._more(reader.part, text, out):
                    self._pass(Delta(reader.part, text), out)
                continue
            told = reader.read(event)
            if abridged < splitter.abridged:
                abridged = splitter.abridged
                if not reader.only_repeats:  # pictures, all of them told before
                    self._too_large(out)
            for found in told:
                self._pass(found, out)
            if self._reader.unreadable and not self._over:
                self._fail(f"{BAD_EVENTS} of its events could not be read", out)
        if splitter.cut:
            self._too_large(out)
        return self._shown(out)

    def _shown(self, out: list[bytes]) -> bytes:
        """Without the backend's key."""
        data = out[0] if len(out) == 1 else b"".join(out)
        return data if self._mask is None else self._mask.shown(data)

    def _more(self, part: int, text: str, out: list[bytes]) -> bool:
        """More of a part that streams to the client as it comes; False of any other."""
        if not self._stream or self._over or self._parts is None or not self._stages.passes(part):
            return False
        if self._kept is not None:
            self._kept.keep_text(text)
        self.said += len(text)
        out.append(self._parts.more(text))
        return True

    def _too_large(self, out: list[bytes]) -> None:
        if not self._over:
            self._reader.conclude("The backend failed: an event of its stream is too large to translate.")
            assert self._reader.error is not None
            self._pass(Failed(self._reader.error), out)

    def _fail(self, detail: str, out: list[bytes]) -> None:
        error = PointsmanError(ErrorKind.UPSTREAM_ERROR, f"The backend failed: {detail}.")
        self._pass(Failed(error), out)

    def _pass(self, event: Event, out: list[bytes]) -> None:
        if self._over:
            return
        if type(event) is Delta and self._more(event.index, event.text, out):
            return
        if type(event) is Failed:
            out.append(self.fail(event.error, ""))
            self._over = True
            return
        if type(event) is Started:
            self._owner.began(event.id)
        for ready in self._stages.add(event):
            if type(ready) is Failed:
                self._pass(ready, out)
                return
            if self._kept is not None:
                self._kept.keep_event(ready)
            if type(ready) is Delta:
                self.said += len(ready.text)
            elif type(ready) is Ended:
                self._last_facts(out)
            elif type(ready) is Cited and self._stream:
                out.append(self._owner.not_cited(ready.citation))
            self._tell(ready, out)

    def _tell(self, event: Event, out: list[bytes]) -> None:
        if self._stream:
            written = self._writer.write(event)
            out.append(written)
            if type(event) is PartStart and event.foreign is not None and not shows(written, event.foreign):
                out.append(self._owner.not_shown(event.foreign))
        else:
            self.events.append(event)

    def _last_facts(self, out: list[bytes]) -> None:
        """Before the end: what only we can tell of it."""
        self._over = True
        if self._stream:
            out.append(self._owner.found_tag(self._reader.tag))
        if self._reader.stop_word and self._stream:
            out.append(self._owner.unknown_stop(self._reader.stop_word))
        if self.mended and self._stream:
            out.append(self._owner.mended(self.mended))
        if self._stream:
            out += [self._owner.misfit(*told) for told in self.misfits]
        usage, said = self._owner.usage(self._reader.usage, self.said, ended_here=self.matched)
        if self._stream:
            out.append(said)
        if usage is not None:  # once more: it may have come after a stop sequence of ours
            self._tell(UsageSeen(usage), out)

    def end(self) -> bytes:
        """See Relay."""
        out: list[bytes] = []
        rest = self._splitter.finish()
        events = list(self._reader.read(rest)) if rest else []
        for found in (*events, *self._reader.finish()):
            self._pass(found, out)
        return self._shown(out)

    def fail(self, error: PointsmanError, request_id: str) -> bytes:
        """See Relay. An upstream that stays after its last word changes nothing of what was told."""
        return b"" if self._over else self._writer.fail(self._owner.mask.error(error))

    def ping(self) -> bytes:
        """See Relay."""
        return b"" if self._over else self._writer.ping()


def asked_as_stream(request: Request, profile: Profile) -> bool:
    """Must a whole answer be asked for as a stream?"""
    return profile.stream_all or (profile.stream_long and _longest(request, profile) > STREAM_ABOVE)


def _longest(request: Request, profile: Profile) -> int:
    """Output tokens that the backend will be asked for at most."""
    asked = request.max_tokens or profile.max_tokens_default
    return min(asked, profile.max_tokens_limit or asked)
