"""Opaque reasoning that a client did not bring back: kept, and put back by tool-call id where it stood. With it the
backends' own ids of calls that were too long for a client (docs/protocols/tools.md#call-ids).

docs/protocols/reasoning.md#reasoning-kept-for-clients. Chat has no place for it; clients of the other protocols
carry it themselves, but some leave it out, and a call that its maker signed is refused without. Bounded in bytes and
time; of this process only, so with several workers a later turn may miss it, and is then sent without. Not here: capsules.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from operator import is_

import msgspec

from ..conversation.events import Delta, Event, Finished, PartEnd, PartKind, PartStart
from ..conversation.parts import Part, Text, Thinking, ToolCall, ToolResult
from ..conversation.places import Place, in_place
from ..conversation.reply import Reply
from ..conversation.request import Message, Request, Role


class Thoughts(msgspec.Struct, frozen=True):
    """The signed thinking of one assistant turn, and where each stood. characters: of all its text."""

    parts: tuple[tuple[Thinking, Place], ...] = ()
    characters: int = 0


Tell = Callable[[str, Sequence[str], Thoughts | str], object]
_NONE = Thoughts()
_OF_TOOLS = frozenset((ToolCall, ToolResult))

KEPT_SECONDS = 3600.0
KEPT_BYTES = 16 * 1024 * 1024
KEPT_IDS = 10_000
LONGEST_ID = 512


class ReasoningStore:
    """What a process keeps: (caller, tool-call id) -> the thinking of that assistant turn. Least used goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[float, int, Thoughts]] = OrderedDict()
        self._bytes = 0
        self._ids: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.tell: Tell | None = None
        """Told of what is put here, with its caller and the ids; None where nobody else wants it."""

    @property
    def empty(self) -> bool:
        """Is nothing kept at all?"""
        return not self._kept and not self._ids

    def put_id(self, caller: str, told: str, marked: str) -> None:
        """A call's id as it was told, and as ids.upstream_id() reads it."""
        if len(marked) <= LONGEST_ID:
            if self.tell is not None and (caller, told) not in self._ids:
                self.tell(caller, (told,), marked)
            self._ids[caller, told] = marked
            if len(self._ids) > KEPT_IDS:
                self._ids.popitem(last=False)

    def get_id(self, caller: str, told: str) -> str:
        """The marked one; the told one where none is known."""
        found = self._ids.get((caller, told))
        if found is None:
            return told
        self._ids.move_to_end((caller, told))
        return found

    def put(self, caller: str, call_ids: list[str], thoughts: Thoughts) -> None:
        """Keep them under each of the turn's calls."""
        size = sum(len(part.text) + len(msgspec.json.encode(part.opaque)) for part, _ in thoughts.parts)
        if size > KEPT_BYTES // 4:
            return
        for call_id in call_ids:
            self._forget((caller, call_id))
            self._kept[caller, call_id] = (time.monotonic() + KEPT_SECONDS, size, thoughts)
            self._bytes += size
        while self._bytes > KEPT_BYTES:
            self._forget(next(iter(self._kept)))

    def known(self, caller: str, call_id: str) -> None:
        """Nobody has more of that call than is here."""
        self._known[caller, call_id] = None
        self._known.move_to_end((caller, call_id))
        if len(self._known) > KEPT_IDS:
            self._known.popitem(last=False)

    def lacks(self, caller: str, request: Request) -> list[str]:
        """The calls of its history of which another process may have kept something: none where no one is told."""
        if self.tell is None:
            return []
        found = []
        for message in request.messages:
            if message.role is Role.ASSISTANT and not _OF_TOOLS.isdisjoint(map(type, message.parts)):
                found += [part.id for part in message.parts if isinstance(part, ToolCall)]
        return [one for one in found if (caller, one) not in self._known]

    def get(self, caller: str, call_id: str) -> Thoughts:
        """Those of the turn that made this call; none when they are gone."""
        found = self._kept.get((caller, call_id))
        if found is None:
            return _NONE
        if found[0] < time.monotonic():
            self._forget((caller, call_id))
            return _NONE
        self._kept.move_to_end((caller, call_id))
        return found[2]

    def _forget(self, key: tuple[str, str]) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[1]


class KeptReasoning:
    """One request's side of the store. caller: whose it is; nobody reads another's."""

    __slots__ = (
        "_call_ids", "_caller", "_calls", "_characters", "_open", "_said", "_store", "_text", "_thinks", "_thoughts",
    )  # fmt: skip

    def __init__(self, store: ReasoningStore, caller: str) -> None:
        self._store = store
        self._caller = caller
        self._call_ids: list[str] = []
        self._thoughts: list[tuple[Thinking, Place]] = []
        self._characters = self._calls = 0  # so far: a Place
        self._open: PartStart | None = None
        self._said = self._thinks = False  # what the open part is: text, thinking
        self._text: list[str] = []

    def restore(self, request: Request, ordered: bool) -> None:
        """Put kept reasoning back into the assistant turns that have calls and lack some of it. What they brought
        themselves, its words alone, gives way. ordered: what they brought stands where it stood."""
        if self._store.empty:
            return
        messages = request.messages
        for at, message in enumerate(messages):
            if not _OF_TOOLS.isdisjoint(map(type, message.parts)):
                messages[at] = self._restored(message, ordered)

    def keep_id(self, told: str, marked: str) -> None:
        """See ReasoningStore.put_id."""
        self._store.put_id(self._caller, told, marked)

    def _restored(self, message: Message, ordered: bool) -> Message:
        """The same where nothing was kept: it may have been read for others, too."""
        parts = [self._with_id(part) for part in self._with_thoughts(message, ordered)]
        if len(parts) == len(message.parts) and all(map(is_, parts, message.parts)):
            return message
        return msgspec.structs.replace(message, parts=parts)

    def _with_id(self, part: Part) -> Part:
        if type(part) is ToolCall:
            own = self._store.get_id(self._caller, part.id)
            return part if own == part.id else msgspec.structs.replace(part, id=own)
        if type(part) is ToolResult:
            own = self._store.get_id(self._caller, part.call_id)
            return part if own == part.call_id else msgspec.structs.replace(part, call_id=own)
        return part

    def _with_thoughts(self, message: Message, ordered: bool) -> list[Part]:
        given = message.parts
        call_id = next((part.id for part in given if isinstance(part, ToolCall)), None)
        if call_id is None or message.role is not Role.ASSISTANT:
            return given
        thoughts = self._store.get(self._caller, call_id)
        signed = [part.opaque for part, _ in thoughts.parts]
        brought = [part.opaque for part in given if isinstance(part, Thinking) and part.opaque]
        if any(one not in signed for one in brought) or (ordered and len(brought) >= len(signed)):
            return given
        rest = [part for part in given if not isinstance(part, Thinking)]
        said = sum(len(part.text) for part in rest if isinstance(part, Text))
        parts = thoughts.parts
        if said != thoughts.characters:  # the client changed it: it is not cut
            parts = tuple((part, (said if before else 0, calls)) for part, (before, calls) in parts)
        return in_place(rest, parts) if parts else given

    def keep_event(self, event: Event) -> None:
        """One event of an answer, in the writer's order."""
        match event:
            case Delta():
                self.keep_text(event.text)
            case PartStart():
                self._open = event
                self._said, self._thinks = event.kind is PartKind.TEXT, event.kind is PartKind.THINKING
                self._text.clear()
                if event.kind is PartKind.TOOL:
                    self._called(event.call_id)
            case PartEnd() if self._open is not None:
                if self._open.kind is PartKind.THINKING and event.opaque is not None:
                    thought = Thinking("".join(self._text), event.opaque, self._open.redacted)
                    self._thoughts.append((thought, (self._characters, self._calls)))
                self._open = None
                self._said = self._thinks = False
            case Finished():
                self._put()

    def keep_text(self, text: str) -> None:
        """More of the open part."""
        if self._said:
            self._characters += len(text)
        elif self._thinks:
            self._text.append(text)

    def keep_reply(self, reply: Reply) -> None:
        """A whole answer."""
        self._thoughts, self._call_ids = [], []
        self._characters = self._calls = 0
        for part in reply.parts:
            if isinstance(part, Thinking):
                if part.opaque is not None:
                    self._thoughts.append((part, (self._characters, self._calls)))
            elif isinstance(part, ToolCall):
                self._called(part.id)
            elif isinstance(part, Text):
                self._characters += len(part.text)
        self._put()

    def _called(self, call_id: str) -> None:
        self._call_ids.append(call_id)
        self._calls += 1

    def _put(self) -> None:
        store = self._store
        if self._thoughts and self._call_ids:
            thoughts = Thoughts(tuple(self._thoughts), self._characters)
            store.put(self._caller, self._call_ids, thoughts)
            if store.tell is not None:
                store.tell(self._caller, self._call_ids, thoughts)
        if store.tell is not None:
            for call_id in self._call_ids:
                store.known(self._caller, call_id)
