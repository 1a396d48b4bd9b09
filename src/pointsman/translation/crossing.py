"""A request that is translated: the client's protocol in, the target's out, and the answer back.

Every stage is a module beside this one or a dialect's half (dialects/base.Translation); this one only
lines them up. The gateway uses it as one of its two codecs (gateway/attempt/passthrough.py has the
other). Not here: when bytes are sent, and which protocol is chosen (gateway/attempt).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from ..conversation.events import Stop
from ..conversation.notes import Notes, with_paths
from ..conversation.parts import Citation, Foreign, Text, ToolCall
from ..conversation.profile import Profile
from ..conversation.reply import Fold, Reply, fold, unfold
from ..conversation.request import Request
from ..conversation.usage import TokenUsage, newer
from ..dialects.base import Answering, ClientHalf, Dialect, Reader, Reading, Seen
from ..dialects.capsule import Capsules
from ..dialects.fields import load
from ..dialects.headers import cross_headers
from ..dialects.media import Media
from ..dialects.recall import NOTHING, Keep, Recalled
from ..dialects.think import CLOSING, USUAL
from ..dialects.turn_memory import SMALLEST, load_known
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.answer import Answer, Headers
from ..wire.http1 import RequestHead
from ..wire.key_mask import KeyMask
from . import losses
from .adapt import adapt
from .estimate import estimate_tokens, tokens_of
from .heal import heal, refuse_results_alone, with_last_turn
from .reasoning_store import KeptReasoning
from .stream import Stages, Translating, asked_as_stream, shows

log = logging.getLogger("pointsman.translation")

ESTIMATED, UNTOLD = b"usage is an estimate", b"the backend told no usage"
"""In a stream whose usage nobody reported, or not all of it (docs/protocols/usage.md#where-nobody-counts)."""


class Asked:
    """A client's request in neutral form, read once however many targets are tried."""

    __slots__ = ("capsules", "client", "id", "names", "read_warnings", "request", "strict")

    def __init__(
        self,
        client: ClientHalf,
        body: bytes,
        head: RequestHead,
        request_id: str,
        capsules: Capsules,
        recalled: Recalled = NOTHING,
        caller: str = "",
    ) -> None:
        """body: has passed wire.splice.peek(). caller: whose turns are remembered. Raises PointsmanError 400, naming the
        field by its path."""
        self.client = client
        self.id = request_id
        self.capsules = capsules
        self.strict = head.get(b"x-pointsman-strict") == b"1"
        self.read_warnings: tuple[str, ...] = ()
        plain = client.plain_request
        found = plain(body, head.get) if plain is not None and len(body) < SMALLEST else None
        self.request = self._parsed(body, head, recalled, caller) if found is None else found
        paths = self.request.paths
        self.names = with_paths(client.names, paths) if paths else client.names

    def _parsed(self, body: bytes, head: RequestHead, recalled: Recalled, caller: str) -> Request:
        """With a legal history."""
        client = self.client
        notes = Notes(self.strict, client.names)
        value: dict[str, Any] | None = None
        if client.turns is not None and len(body) >= SMALLEST:
            value = load_known(body, (client.turns, caller), client.history)
        if value is None:
            value = load(body, notes, peeked=True)
        given = client.parse_request(value, Reading(notes, self.capsules, head.get, recalled))
        healed = with_last_turn(heal(given, notes), given)
        refuse_results_alone(healed, given, notes)
        self.read_warnings = tuple(notes.warnings)
        return healed


class Crossing:
    """One attempt's translation. See gateway/attempt/passthrough.Codec. warnings: the value of `x-pointsman-warnings`.
    inside: did the answer begin inside its reasoning? None where nobody knows. streamed: a stream is asked for.
    counts: is told of each call that does not fit the schema which the target did not get. found_call: of each that came as
    text; None: they stay text (recovered.py)."""

    translated = True
    media: Media | None = None
    note: Callable[[str], None] | None = None
    member = b""

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
        "counts",
        "found_call",
        "inside",
        "mask",
        "path",
        "streamed",
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
        if not request.stream and asked_as_stream(request, profile):
            request = msgspec.structs.replace(request, stream=True)
        losses.check(request, self._upstream.carries, notes)
        self.streamed = request.stream
        self.body = self._upstream.render_request(request, profile)
        self.path = upstream.endpoint.path.encode()
        self._notes = notes
        self.inside: bool | None = None
        self.counts: Callable[[], None] | None = None
        self.found_call: Callable[[], None] | None = None
        self.warnings = notes.header()

    def made_at(self, seconds: int) -> None:
        """When its answer was made, unix seconds, where that is not now."""
        self._answering.created = seconds

    def preset(self, body: bytes, told: list[str]) -> None:
        """What the rule sets is in this body; told: see translation/preset_body.py."""
        self.body = body
        self._notes.warnings += told
        self.warnings = self._notes.header()

    @property
    def rewrote(self) -> bool:
        """Has the target other schemas of tools than the client's?"""
        return bool(self._adaptation.rewritten)

    @property
    def collects(self) -> bool:
        """See Codec: the client did not ask for a stream."""
        return not self._asked.request.stream

    # -- the answer

    def relay(self) -> Translating:
        """See Codec. Who waits for all of it can wait for a tag, too."""
        profile = self._profile
        if self.collects and not profile.begins_inside:
            profile = msgspec.structs.replace(profile, begins_inside=True)
        reader, writer = self._upstream.reader(profile), self._asked.client.writer(self._answering)
        if profile.silent_end:
            reader.ends_silently()
        whole = self.collects or self._asked.client.whole_calls
        stages = self._stages(whole=whole)
        return Translating(self, reader, writer, stages, self._reasoning, stream=not self.collects)

    def _stages(self, *, whole: bool) -> Stages:
        made = (self._adaptation, self._asked.request, self._asked.id, self._reasoning)
        if self.found_call is None:
            return Stages(*made, whole=whole)
        from .recovered import RecoveringStages  # for whoever has such rules

        return RecoveringStages(*made, self._recovered, whole=whole)

    def _recovered(self, tool: str) -> None:
        assert self.found_call is not None
        self.found_call()
        self._say(f"recovered:{tool}", "a call that came as text is told as a call", tool)

    def whole(self, headers: Headers, body: bytes) -> tuple[Answer | None, Seen | None]:
        """See Codec."""
        reply, reader = self.read(body)
        return self.answer(reply, reader, headers) if reply is not None else None, reader

    def read(self, body: bytes) -> tuple[Reply | None, Reader]:
        """whole(), its first half: the reply, None where there is no answer in it, and what has been read."""
        reader = self._upstream.reader(self._profile)
        try:
            return reader.reply(body), reader
        except (ValueError, PointsmanError):
            return None, reader

    def answer(self, reply: Reply, reader: Reader, headers: Headers) -> Answer | None:
        """Its second: as the client gets it, once."""
        self.found_tag(reader.tag)
        self.began(reply.id)
        return self._answer(reply, headers) if reader.output else None

    def collected(self, relay: object, headers: Headers, stream: bytes) -> Answer:
        """See Codec."""
        if not self.collects or not isinstance(relay, Translating):
            return Answer(200, self.head_lines(headers), stream)
        self.found_tag(relay.tag)
        if relay.mended:
            self.mended(relay.mended)
        self._misfits(relay.misfits)
        return self._rendered(fold(relay.events), self.head_lines(headers))

    def _answer(self, reply: Reply, headers: Headers) -> Answer:
        parts = reply.parts
        alone = len(parts) == 1 and type(parts[0]) is Text  # as most are
        called = not alone and any(type(part) is ToolCall for part in parts)
        changes = self._adaptation.stop or self.found_call is not None
        if called or changes or not (self._asked.request.texts or self._adaptation.identity):
            reply = self._back(reply)
        return self._rendered(reply, self.head_lines(headers))

    def _rendered(self, reply: Reply, headers: Headers) -> Answer:
        """All of it is there: what a stream could only tell in comments stands in the headers."""
        if reply.word:
            self.unknown_stop(reply.word)
        usage, parts = reply.usage, reply.parts
        if usage is None or not (usage.input and usage.output):
            characters = sum(len(getattr(part, "text", "")) for part in parts)
            ended_here = bool(self._adaptation.stop) and reply.stop is Stop.STOP_SEQUENCE
            reply.usage = self.usage(usage, characters, ended_here=ended_here)[0]
        alone = len(parts) == 1 and type(parts[0]) is Text
        if self._reasoning is not None and not alone:
            self._reasoning.keep_reply(reply)
        if self.collects:
            body = self._asked.client.render_reply(reply, self._answering)
        else:
            writer = self._asked.client.writer(self._answering)
            body = b"".join([writer.write(event) for event in unfold(reply)])
        for part in parts:
            if type(part) is Text:
                for citation in part.citations:
                    self.not_cited(citation)
            elif type(part) is Foreign and not shows(body, part):
                self.not_shown(part)
        return Answer(200, headers, body)

    def _back(self, reply: Reply) -> Reply:
        """Through the stages that a stream's events go through."""
        stages = self._stages(whole=True)
        folding = Fold()
        for event in unfold(reply):
            for one in stages.add(event):
                folding.add(one)
        if stages.mended:
            self.mended(stages.mended)
        self._misfits(stages.misfits)
        folding.reply.usage = reply.usage  # it comes after a stop sequence of ours
        return folding.reply

    def began(self, upstream_id: str) -> None:
        """The answer has begun. Its client knows it by an id of ours."""
        if upstream_id and log.isEnabledFor(logging.INFO):
            told = self.mask.text(upstream_id)
            log.info("request %s: its backend calls the answer %.200r", self._asked.id, told)

    def unknown_stop(self, word: str) -> bytes:
        """Nobody knows why the backend stopped: told in the log, and in the warnings header of what is not a stream yet.
        The comment that tells it inside one."""
        return self._say(f"unknown_stop:{word}", "the backend stopped for a reason that nobody knows", word)

    def found_tag(self, tag: str) -> bytes:
        """See stream.StreamOwner."""
        if tag in CLOSING or self._profile.begins_inside:
            self.inside = tag in CLOSING
        if tag in ("", USUAL):
            return b""
        return self._say(f"inline_reasoning:{tag}", "reasoning stood in the backend's text, by the tag", tag)

    def mended(self, tool: str) -> bytes:
        """See stream.StreamOwner."""
        return self._say(f"mended:arguments:{tool}", "arguments of a call were not a JSON object", tool)

    def misfit(self, tool: str, why: str) -> bytes:
        """See stream.StreamOwner."""
        if self.counts is not None:
            self.counts()
        return self._say(f"arguments:{tool}", "arguments of a call do not fit its schema", f"{tool}: {why}")

    def _misfits(self, told: list[tuple[str, str]]) -> None:
        for tool, why in told:
            self.misfit(tool, why)

    def not_shown(self, part: Foreign) -> bytes:
        """See stream.StreamOwner (docs/protocols/messages.md#blocks-without-a-form-in-an-answer)."""
        return self._no_form(part.type)

    def not_cited(self, citation: Citation) -> bytes:
        """See stream.StreamOwner. A web page can be cited where anything can, the rest only where it comes from."""
        cites = self._asked.client.cites
        if cites and (citation.url is not None or citation.protocol == self._client.protocol.value):
            return b""
        kind = citation.raw.get("type") if isinstance(citation.raw, dict) else None
        return self._no_form(str(kind or "citation"))

    def _no_form(self, kind: str) -> bytes:
        warning = f"dropped:{kind}"
        if warning in self._notes.warnings:  # once is enough
            return b""
        return self._say(warning, "the client's protocol has no form for", kind)

    def _say(self, warning: str, what: str, word: str) -> bytes:
        word = self.mask.text(word)
        self._warn(self.mask.text(warning))
        log.warning("request %s: %s: %.80r", self._asked.id, what, word)
        return self._client.framing.remark(b"%b: %a" % (what.encode(), word[:80]))

    def usage(
        self, told: TokenUsage | None, characters: int, *, ended_here: bool
    ) -> tuple[TokenUsage | None, bytes]:
        """See stream.StreamOwner (docs/protocols/usage.md#where-nobody-counts). A comment tells only what a client would
        take for a count."""
        if ended_here and (told is None or not (told.input and told.output)):
            self._warn("estimated:usage")
            made = TokenUsage(estimate_tokens(self._asked.request), tokens_of(characters))
            return newer(made, told), self._client.framing.remark(ESTIMATED)
        nothing = told is None or not told.told
        if (told is not None and told.whole) or (nothing and not self._asked.client.usage_required):
            return told, b""
        self._warn("unknown:usage")
        return told, self._client.framing.remark(UNTOLD)

    def _warn(self, entry: str) -> None:
        self._notes.warnings.append(entry)
        self.warnings = self._notes.header()

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
        kind = self._client.framing.label if self._asked.request.stream else b"application/json"
        return self._headers(headers, kind)

    def _headers(self, headers: Headers, content_type: bytes) -> Headers:
        kept = cross_headers(headers, self._client.endpoint.rate_limits)
        return [(b"content-type", content_type), *kept]
