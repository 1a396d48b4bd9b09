"""Opaque reasoning kept for Chat clients, whose protocol has no place to carry it: put back by tool-call id.

docs/protocols/reasoning.md#reasoning-kept-for-chat-clients. Bounded in bytes and time; of this
process only, so with several workers a later turn may miss it, and is then sent without. Not here:
capsules, which clients of the other protocols carry themselves.
"""

from __future__ import annotations

import time
from collections import OrderedDict

import msgspec

from ..conversation.events import Delta, Event, Finished, PartEnd, PartKind, PartStart
from ..conversation.parts import Thinking, ToolCall
from ..conversation.reply import Reply
from ..conversation.request import Request, Role

KEPT_SECONDS = 3600.0
KEPT_BYTES = 16 * 1024 * 1024


class ReasoningStore:
    """What a process keeps: (caller, tool-call id) -> the thinking parts of that assistant turn. Least used goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[float, int, tuple[Thinking, ...]]] = OrderedDict()
        self._bytes = 0

    def put(self, caller: str, call_ids: list[str], parts: list[Thinking]) -> None:
        """Keep the parts under each of the turn's calls."""
        size = sum(len(part.text) + len(msgspec.json.encode(part.opaque)) for part in parts)
        if size > KEPT_BYTES // 4:
            return
        for call_id in call_ids:
            self._forget((caller, call_id))
            self._kept[caller, call_id] = (time.monotonic() + KEPT_SECONDS, size, tuple(parts))
            self._bytes += size
        while self._bytes > KEPT_BYTES:
            self._forget(next(iter(self._kept)))

    def get(self, caller: str, call_id: str) -> tuple[Thinking, ...]:
        """The parts of the turn that made this call, () when they are gone."""
        found = self._kept.get((caller, call_id))
        if found is None:
            return ()
        if found[0] < time.monotonic():
            self._forget((caller, call_id))
            return ()
        self._kept.move_to_end((caller, call_id))
        return found[2]

    def _forget(self, key: tuple[str, str]) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[1]


class KeptReasoning:
    """One request's side of the store. caller: whose it is; nobody reads another's."""

    __slots__ = ("_call_ids", "_caller", "_open", "_parts", "_store", "_text")

    def __init__(self, store: ReasoningStore, caller: str) -> None:
        self._store = store
        self._caller = caller
        self._call_ids: list[str] = []
        self._parts: list[Thinking] = []
        self._open: PartStart | None = None
        self._text: list[str] = []

    def restore(self, request: Request) -> None:
        """Put kept reasoning in front of the assistant turns that have calls and no reasoning of their own."""
        for message in request.messages:
            if message.role is not Role.ASSISTANT or any(
                isinstance(part, Thinking) for part in message.parts
            ):
                continue
            for part in message.parts:
                if isinstance(part, ToolCall):
                    message.parts[:0] = self._store.get(self._caller, part.id)
                    break

    def keep_event(self, event: Event) -> None:
        """One event of an answer, in the writer's order."""
        match event:
            case PartStart():
                self._open = event
                self._text.clear()
                if event.kind is PartKind.TOOL:
                    self._call_ids.append(event.call_id)
            case Delta() if self._open is not None and self._open.kind is PartKind.THINKING:
                self._text.append(event.text)
            case PartEnd() if self._open is not None:
                if self._open.kind is PartKind.THINKING and event.opaque is not None:
                    self._parts.append(Thinking("".join(self._text), event.opaque, self._open.redacted))
                self._open = None
            case Finished():
                self._put()

    def keep_reply(self, reply: Reply) -> None:
        """A whole answer."""
        self._parts = [part for part in reply.parts if isinstance(part, Thinking) and part.opaque is not None]
        self._call_ids = [part.id for part in reply.parts if isinstance(part, ToolCall)]
        self._put()

    def _put(self) -> None:
        if self._parts and self._call_ids:
            self._store.put(self._caller, self._call_ids, self._parts)
