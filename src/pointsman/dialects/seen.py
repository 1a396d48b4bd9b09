"""What is known of one upstream answer, in facts that every protocol has. Not here: which of a protocol's frames sets which
(each dialect's own seen.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ..conversation.events import Stop
from ..conversation.usage import TokenUsage
from ..errors import PointsmanError
from ..kinds import ErrorKind
from ..wire.jsontext import Closing
from ..wire.surrogates import Halves
from .recall import Keep
from .same_again import SameAgain
from .stop_words import FAILED, meaning_of
from .whole_again import Alike


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer amounts to, the same on every path (straight, translated, whole). Fields: see Seen; error is its
    kind and the HTTP status that it means."""

    answered: bool
    finished: bool
    stop: Stop | None
    refused: bool
    error: tuple[ErrorKind, int] | None
    usage: TokenUsage | None
    calls_whole: bool


class Seen:
    """The one reading of one upstream answer: frames in, neutral facts out. It changes nothing of what it reads.

    Each dialect's `seen.py` has one `see(frame)`, the only place that sets these facts; the straight path, the
    translating reader and a whole answer all go through it, so that they cannot disagree.

    output: the first real output has come, the commit point of docs/design.md#stages-of-an-answer:
    text that is not white space alone, reasoning, a call, a refusal, a vendor's block; or an end
    that says why there is none (limit, filter, refusal). refused: the model, or its vendor's
    filter, will not, whatever came before. stop: the class of the finish as every path tells it;
    None while none was told. finished: the protocol's own proper end was seen, so nothing was cut.
    error: what the backend said inside an answer with status 200; nothing after it counts.
    concluded: it did not say so itself, only ended in a way that cannot be; or not in the form and the words on
    which the protocol's clients act (docs/protocols/errors.md#errors-inside-a-200). usage: as reported so
    far. answer_id: the id that the answer carries, where the protocol has one. arguments: of each
    call of a client's function, whether its text is closed so far; None before the first.
    stop_word: the backend's own reason to stop, where nobody knows what it says.
    keep: who remembers the answer, in protocols whose clients may refer to it; nobody by default.
    halves: of characters that the stream's events cut, None before the first.
    ended: the protocol's last word came, so that nothing of a stream is awaited any more.
    malformed: frames that are not what the protocol allows. reason_due: an end must say why, or the
    answer may be cut; not for a backend whose row says that it never does.
    """

    member: ClassVar[bytes] = b'"choices"'  # what makes a whole body an answer
    text_keys: ClassVar[tuple[bytes, ...]] = ()
    free_keys: ClassVar[tuple[bytes, ...]] = ()
    """Members, as JSON, of a frame that has text_alone(): for the text; another string or number in each, and no fact."""
    alike: ClassVar[Alike | None] = None  # of whole answers; None where whole_text() is of none
    __slots__ = (
        "again", "answer_id", "arguments", "concluded", "ended", "error", "finished", "given", "halves", "heard_in", "hears",
        "keep", "malformed", "output", "part", "reason_due", "refused", "stop", "stop_word", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self._nothing_yet()

    def _nothing_yet(self) -> None:
        """Called by each __init__ of a kind: one by way of super() costs as much as the rest."""
        self.output = False
        self.refused = False
        self.stop: Stop | None = None
        self.stop_word = ""
        self.finished = False
        self.ended = False
        self.error: PointsmanError | None = None
        self.concluded = False
        self.usage: TokenUsage | None = None
        self.answer_id: str | None = None
        self.arguments: list[Closing] | None = None
        self.malformed = 0
        self.reason_due = True
        self.keep: Keep | None = None
        # What only a reader has, where the next event may be more of a part: which part, what such an event looks like,
        # who else must have its text, if this stands in it; characters that more() gave.
        self.part = -1
        self.again: SameAgain | None = None
        self.hears: Callable[[str], object] | None = None
        self.heard_in = ""
        self.given = 0
        self.halves: Halves | None = None

    def remembered_by(self, keep: Keep | None) -> None:
        """Tell the answer's items to it, before anything of the answer is read."""
        self.keep = keep

    def ends_silently(self) -> None:
        """By its row the backend never says why a stream ends; before anything of the answer is read."""
        self.reason_due = False

    def event(self, event: bytes) -> object:
        """One server-sent event, as wire.sse gives it: decoded once, then seen. Gives the frame for the dialect's own
        reader, None when there is none."""
        raise NotImplementedError

    def whole(self, body: bytes) -> bool:
        """A whole answer, judged by the same see() as the stream it could have been. False, and not `finished`, when it
        is not JSON of this protocol at all: without the member that holds an answer, and without an error."""
        raise NotImplementedError

    def text_alone(self, frame: object) -> str:
        """The text of the frame that event() gave last, where it told nothing else and the same frame with any other text
        and anything in `free_keys` would set no fact either, until one comes that is different; "" of any other."""
        return ""

    def whole_text(self, body: bytes) -> str:
        """Of a fresh reading: the text of a whole answer, if all that are alike (`alike`) set the same facts but the usage,
        which counts_of() reads; "" of any other."""
        return ""

    @staticmethod
    def counts_of(counts: list[int | None], told: TokenUsage) -> TokenUsage | None:
        """The usage of an answer with these counts (`alike`) that is like another one, whose usage was told; None where that
        is not sure."""
        return None

    def more(self, event: bytes) -> str:
        """Of a reader: the text of an event that is the one before but for that, more of the part `part`; "" of any other,
        which read() must be given."""
        again = self.again
        if again is None:
            return ""
        text = again.text(event)
        if not text:
            again.forget()
            return ""
        self.given += len(text)
        if self.hears is not None and self.heard_in in text:
            self.hears(text)
        return text

    def mend(self, data: bytes) -> bytes:
        """One event's JSON that could not be decoded, or comes after one that could not, with its characters whole; the
        same object where that was not why (docs/protocols/streams.md#halves-of-characters)."""
        if self.halves is None:
            self.halves = Halves()
        return self.halves.mend(data)

    def end(self) -> None:
        """The bytes are over: what only the end can tell. Nothing in most dialects."""

    @property
    def calls_whole(self) -> bool:
        """Is every call told to its end?"""
        return all(text.closed for text in self.arguments or ())

    def call_cut(self) -> bool:
        """At the answer's end: whether it says that it is whole and has a call that is not. Then it is an error: the client
        would run another call than the model meant (docs/protocols/tools.md#pieces-of-a-call)."""
        if self.arguments and self.error is None and not self.calls_whole:
            self.conclude("The backend ended its answer inside the arguments of a tool call.")
            return True
        return False

    def end_unexplained(self) -> bool:
        """At a last word before which nothing said why the answer stops: whether it says that the answer is whole, and may
        not be. Proxies write one after a cut, too (docs/protocols/streams.md#a-last-word-is-no-reason)."""
        if self.reason_due and self.output and self.error is None:
            self.conclude(
                "The backend ended its answer without saying why it stopped: the answer may be cut."
                " If it never says, set --silent-end where it is configured."
            )
            return True
        return False

    def other_stop(self, word: str) -> Stop | None:
        """The class of a reason to stop that the protocol does not define; an error where it says that the backend failed.
        None, and told as `stop_word`, where nobody knows it."""
        found = meaning_of(word)
        if found is FAILED:
            self.conclude(f"The backend ended its answer with {word!r}.")
        self.stop_word = "" if found is not None else word
        return found if isinstance(found, Stop) else None

    def conclude(self, public: str) -> None:
        """An error that the answer does not say itself: its protocol allows no such end."""
        self.error = PointsmanError(ErrorKind.UPSTREAM_ERROR, public)
        self.concluded = True

    def call_begun(self) -> Closing:
        """One more call of a client's function; feed its arguments."""
        text = Closing()
        if self.arguments is None:
            self.arguments = []
        self.arguments.append(text)
        return text

    @property
    def unreadable(self) -> bool:
        """Is too much of it not what the protocol allows to go on? Bytes that pass as they came always go on."""
        return False

    @property
    def verdict(self) -> Verdict:
        """The facts as one value."""
        error = (self.error.kind, self.error.status) if self.error is not None else None
        return Verdict(
            self.output, self.finished, self.stop, self.refused, error, self.usage, self.calls_whole
        )
