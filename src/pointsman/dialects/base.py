"""What every dialect offers, whichever the protocol. Shapes only; the protocols are in the folders beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any
from typing import Protocol as TypingProtocol

import msgspec

from ..conversation.events import Event
from ..conversation.notes import Notes
from ..conversation.profile import Profile
from ..conversation.reply import Reply
from ..conversation.request import Request
from ..errors import PointsmanError
from ..kinds import ErrorKind, Protocol
from .bridge import Bridge
from .capsule import Capsules
from .carries import Carries
from .endpoint import Endpoint
from .framing import EVENTS, Framing
from .recall import NOTHING, Keep, Recalled, Remembered
from .same_again import SameAgain as SameAgain
from .sameness import NOTHING_IDLE, Sameness
from .seen import Seen as Seen
from .seen import Verdict as Verdict
from .whole_again import WholeAgain as WholeAgain

BAD_EVENTS = 3
"""In a translated stream an event that cannot be read is left out and noted; so many are a failure."""


class StreamError(TypingProtocol):
    """Renders an error inside a stream that has begun. answer_id: Seen's; clients refuse an id that changes."""

    def __call__(self, error: PointsmanError, request_id: str, answer_id: str | None = None) -> bytes:
        """Complete events, without anything that looks like a clean end."""


class Reader(Seen):
    """Reads an upstream's answer and tells it in neutral events: `class XReader(XSeen, Reader)`. It decodes each event
    once, gives the frame to the dialect's see(), and sets no fact itself (a test over the source holds it to that).

    Lenient: it takes what real servers send (docs/protocols/streams.md#reading-leniently). What it
    cannot read counts in `malformed`.
    """

    __slots__ = ()
    tag: str = ""  # by which reasoning was found in the text, or with which it was told as text

    @property
    def unreadable(self) -> bool:
        """See Seen: a translated answer with such gaps would not be the answer."""
        return self.malformed >= BAD_EVENTS

    @property
    def only_repeats(self) -> bool:
        """Did the event that was read last say nothing that had not been told, but that the answer is over?"""
        return False

    def read(self, event: bytes) -> Sequence[Event]:
        """The neutral events that one server-sent event completes, often none. Sets what Seen promises."""
        raise NotImplementedError

    def finish(self) -> Sequence[Event]:
        """The upstream's bytes are over: end(), and what was still held back. Ends with Ended only if the stream was
        whole."""
        raise NotImplementedError

    def reply(self, body: bytes) -> Reply:
        """A whole answer, decoded once and seen as by whole(). Raises ValueError when it is no answer of this protocol
        and PointsmanError, the same as `error`, when it is an error with status 200."""
        raise NotImplementedError


class Writer(TypingProtocol):
    """Writes one streamed answer: a state machine whose table of legal moves is data, so that an illegal order cannot
    be written (it raises IllegalMove, a bug of ours). Parts come one after the other, indices from 0."""

    def write(self, event: Event) -> bytes:
        """Complete server-sent events, b"" when this one shows nothing yet."""

    def ping(self) -> bytes:
        """A keep-alive that is legal where the stream stands now."""

    def fail(self, error: PointsmanError) -> bytes:
        """An in-band error; nothing that looks like a clean end
        (docs/protocols/streams.md#errors-inside-a-stream)."""


class IllegalMove(Exception):
    """A writer was asked for an order of events that its protocol forbids."""


class Reading(msgspec.Struct):
    """What parse_request is given beside the body. header: the client's header by its lower-case name, or None.
    recalled: what the body refers to."""

    notes: Notes
    capsules: Capsules
    header: Callable[[bytes], bytes | None] = lambda _: None
    recalled: Recalled = NOTHING


class Answering(msgspec.Struct):
    """What an answer's rendering is given. request: as the client sent it (parsed, not adapted to the target).
    request_id: ours; ids of the answer derive from it. created: unix seconds. keep: who remembers the answer, None
    for nobody. began: when its target was turned to, monotonic nanoseconds."""

    request: Request
    request_id: str
    created: int
    capsules: Capsules
    keep: Keep | None = None
    began: int = msgspec.field(default_factory=monotonic_ns)


@dataclass(frozen=True, slots=True)
class Straight:
    """What must be looked at of a body that goes as it is. wanted(body, recalled): could fit() change or refuse it? Asked
    of every body, so it costs next to nothing. fit(body, profile, recalled): the body for this target. Raises
    PointsmanError 400 for what the target would take and ignore, and lose a conversation by it."""

    wanted: Callable[[bytes, Recalled], bool]
    fit: Callable[[bytes, Profile, Recalled], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHalf:
    """What serves a protocol's clients on one path.

    parse_request(body, reading): the body has been decoded (fields.load). Raises PointsmanError 400 naming the field
    by its path. names: neutral field -> this protocol's name of it; of a part or a tool `Image.detail`. render_reply: the
    client's whole body. writer: for one client stream. moves: the writer's grammar, for the documentation.
    usage_required: every answer of it has numbers. ordered: its histories tell where in a turn thinking stood. cites: an
    answer can name the pages that it rests on. turns: as whose the turns in its member `history` are remembered
    (turn_memory.py).
    whole_calls: a call in a stream of it is one piece. at_once(body, created): what is answered without asking anybody.
    plain_request(body, header): what parse_request() would give where it is of texts alone (plain_request.py), None of any
    other.
    """

    parse_request: Callable[[dict[str, Any], Reading], Request]
    render_reply: Callable[[Reply, Answering], bytes]
    writer: Callable[[Answering], Writer]
    moves: Mapping[str, frozenset[str]]
    names: Mapping[str, str] = field(default_factory=dict)
    usage_required: bool = False
    ordered: bool = True
    cites: bool = True
    turns: Protocol | None = None
    history: str = "messages"
    whole_calls: bool = False
    at_once: Callable[[dict[str, Any], int], bytes | None] | None = None
    plain_request: Callable[[bytes, Callable[[bytes], bytes | None]], Request | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation(ClientHalf):
    """One protocol's half of every translation.

    render_request(request, profile): the upstream's body; the request fits the profile already (translation/adapt.py) and
    has nothing that is not in carries. carries: what becomes of each neutral field here (carries.py); losses.py reports
    and refuses by it. reader: for one upstream answer. count_path, parse_count, render_count: its way to count input
    tokens, where it has one, and count_keys the request's keys that belong there.
    without_capsules: a body for this protocol's own vendor less what we put in, None when there is nothing.
    remembered: its clients may refer to what they were given.
    """

    render_request: Callable[[Request, Profile], bytes]
    reader: Callable[[Profile], Reader]
    carries: Carries
    parse_count: Callable[[bytes], int] | None = None
    render_count: Callable[[int], bytes] | None = None
    count_path: str | None = None
    count_keys: frozenset[str] = frozenset()
    without_capsules: Callable[[bytes], bytes | None] | None = None
    remembered: Remembered | None = None


@dataclass(frozen=True, slots=True)
class Presetting:
    """How what a rule sets gets into a body of this protocol (translation/preset_body.py).

    reads: the members in which a client says what can be set. twins: of each, those that say the same in other words: what
    is written pushes them out. with_system(body, text, profile): that text before the system prompt that is there; None
    where the body has no place for it. Of a protocol without a translation reads alone counts: what has a member of its own
    name."""

    reads: frozenset[str]
    twins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    with_system: Callable[[bytes, str, Profile], bytes | None] = lambda body, text, profile: None
    has_system: Callable[[bytes], bool] = lambda body: False


@dataclass(frozen=True, slots=True)
class UsageOption:
    """How a stream's usage is asked for where it is not told unasked: `name` true in the request's
    object `member`. is_extra(event): is this the chunk that is only there because of it?"""

    member: str
    name: str
    is_extra: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Retelling:
    """Of answers that come in the other form than was asked for. streamed(body, usage): a whole one as a stream; usage: the
    client asked for it, where a protocol does not always tell it; b"" for what cannot be one. assembled(stream): a stream
    as a whole one. Raises ValueError."""

    streamed: Callable[[bytes, bool], bytes]
    assembled: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol. error: an error as a whole body. stream_error: the same inside a stream.
    parse_error(status, body): a backend's error answer as ours, its text and code kept. seen: the
    reading of one answer. endpoint: how its clients reach it, and how they are known. usage_option:
    None where every stream tells its usage. statuses: the status of a kind of error where this
    protocol's is not the usual one. ping: a keep-alive before anything else of a stream. straight:
    see Straight. revision: of a request's body, what is done to a whole answer whose backend
    ignores a wish of it; None for nothing, and then bytes pass as they come. translation: None for
    protocols that only pass through. is_error: is a body an error in this protocol's own form?
    retelling: None where nothing streams. last_word: what follows the event that makes a stream
    whole; b"" where that event is the last.
    straight_words: one of them begins a string of every body that `straight` or `without_capsules`
    may have something to do with.
    presetting: None where a rule can set nothing. framing: of its streams. halves, bridges: path ->
    what serves it there, of a protocol that only clients speak. sameness: see there."""

    protocol: Protocol
    error: Callable[[PointsmanError, str], bytes]
    stream_error: StreamError
    parse_error: Callable[[int, bytes], PointsmanError]
    seen: Callable[[], Seen]
    endpoint: Endpoint
    usage_option: UsageOption | None = None
    statuses: Mapping[ErrorKind, int] = field(default_factory=dict)
    ping: bytes = b": waiting for the backend\n\n"
    straight: Straight | None = None
    revision: Callable[[bytes], Callable[[bytes], bytes] | None] | None = None
    translation: Translation | None = None
    is_error: Callable[[bytes], bool] = lambda _: True
    retelling: Retelling | None = None
    last_word: bytes = b""
    straight_words: tuple[bytes, ...] = ()
    presetting: Presetting | None = None
    framing: Framing = EVENTS
    halves: Mapping[str, ClientHalf] = field(default_factory=dict)
    bridges: Mapping[str, Bridge] = field(default_factory=dict)
    sameness: Sameness = NOTHING_IDLE

    @property
    def remembered(self) -> Remembered | None:
        """Of what its clients may refer to; None where they cannot."""
        return None if self.translation is None else self.translation.remembered

    def half_at(self, path: str) -> ClientHalf | None:
        """What translates the requests that are posted there, None where nothing does."""
        half = self.translation
        if half is None:
            return self.halves.get(path)
        return half if path in (self.endpoint.path, half.count_path) else None

    def status(self, error: PointsmanError) -> int:
        """The HTTP status of an error in this protocol."""
        return self.statuses.get(error.kind, error.status)
