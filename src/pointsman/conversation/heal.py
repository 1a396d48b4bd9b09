"""Histories made legal, so that one bad turn does not brick a conversation (PROTOCOLS.md 4.1, 4.2, 5.3). All is told.

A legal history is only put in order: the results of one turn's calls stand in one user message, first, in the order of
the calls. Healing a longer history leaves the healed shorter one as its beginning.
"""

from __future__ import annotations

import msgspec

from .notes import Notes
from .parts import Part, Text, ToolCall, ToolKind, ToolResult
from .request import Message, Request, Role

NO_RESULT = "no result provided"


def heal(request: Request, notes: Notes) -> Request:
    """The request with a legal history; the same object where nothing was to be done. Raises 400 under strict."""
    messages = request.messages
    if not any(type(part) in (ToolCall, ToolResult) for message in messages for part in message.parts):
        kept = [message for message in messages if message.parts]
        if len(kept) == len(messages):
            return request
        return msgspec.structs.replace(request, messages=kept)
    healer = _Healer(notes)
    for index, message in enumerate(messages):
        healer.add(index, message)
    return msgspec.structs.replace(request, messages=healer.finish())


class _Healer:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._done: list[Message] = []
        self._open: list[ToolCall] = []  # calls of the last assistant turn
        self._renamed: dict[str, list[str]] = {}
        self._results: dict[str, ToolResult] = {}
        self._behind: list[Message] = []  # system messages that stood between calls and results
        self._seen: set[str] = set()

    def add(self, index: int, message: Message) -> None:
        if message.role is Role.ASSISTANT:
            self._settle([])
            self._assistant(index, message)
        elif message.role is Role.USER:
            self._user(index, message)
        elif self._open and not self._answered():
            self._behind.append(message)
        else:
            self._settle([])
            if message.parts:
                self._done.append(message)

    def finish(self) -> list[Message]:
        self._settle([])
        return self._done

    def _answered(self) -> bool:
        return len(self._results) == len(self._open)

    def _assistant(self, index: int, message: Message) -> None:
        parts: list[Part] = []
        calls: list[ToolCall] = []
        renamed: dict[str, list[str]] = {}
        for at, part in enumerate(message.parts):
            if not isinstance(part, ToolCall):
                parts.append(part)
                continue
            path = f"messages[{index}].content[{at}]"
            call = self._with_object(path, self._with_own_id(path, part))
            renamed.setdefault(part.id, []).append(call.id)
            parts.append(call)
            calls.append(call)
        if not parts:
            return
        self._done.append(msgspec.structs.replace(message, parts=parts))
        self._open, self._renamed, self._results = calls, renamed, {}

    def _with_own_id(self, path: str, call: ToolCall) -> ToolCall:
        """Two calls under one id could not be answered apart."""
        new, count = call.id, 1
        while new in self._seen:
            count += 1
            new = f"{call.id}_{count}"
        self._seen.add(new)
        if new == call.id:
            return call
        self._notes.repair(path, "its id was used before in this conversation")
        return msgspec.structs.replace(call, id=new)

    def _with_object(self, path: str, call: ToolCall) -> ToolCall:
        """Arguments that are no JSON object would be refused for the rest of the conversation (PROTOCOLS.md 4.2)."""
        if call.kind is not ToolKind.FUNCTION or not call.arguments:
            return call
        try:
            if isinstance(msgspec.json.decode(call.arguments), dict):
                return call
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            pass
        self._notes.repair(path, "its arguments are not a JSON object")
        wrapped = msgspec.json.encode({"INVALID_JSON": call.arguments}).decode()
        return msgspec.structs.replace(call, arguments=wrapped)

    def _user(self, index: int, message: Message) -> None:
        others: list[Part] = []
        for at, part in enumerate(message.parts):
            if isinstance(part, ToolResult):
                self._result(f"messages[{index}].content[{at}]", part)
            else:
                others.append(part)
        if others:
            self._settle(others, message)

    def _result(self, path: str, result: ToolResult) -> None:
        ids = self._renamed.get(result.call_id)
        if not ids:
            self._notes.repair(path, "it answers no call of the turn before")
            return
        new = ids.pop(0)
        if new != result.call_id:
            result = msgspec.structs.replace(result, call_id=new)
        self._results[new] = result

    def _settle(self, others: list[Part], message: Message | None = None) -> None:
        """The turn's results, in the order of its calls; then what the user said."""
        parts: list[Part] = []
        for call in self._open:
            result = self._results.get(call.id)
            if result is None:
                self._notes.repair(f"tool_call[{call.id}]", "it has no result")
                result = ToolResult(call.id, (Text(NO_RESULT),), True, call.kind)
            parts.append(result)
        behind = self._behind
        self._open, self._renamed, self._results, self._behind = [], {}, {}, []
        if behind:
            if parts:
                self._done.append(Message(Role.USER, parts))
            self._done.extend(behind)
            parts = []
        parts.extend(others)
        if parts:
            base = message if message is not None else Message(Role.USER, [])
            self._done.append(msgspec.structs.replace(base, parts=parts))
