"""Histories made legal, so that one bad turn does not brick a conversation
(docs/protocols/messages.md#histories-made-legal). Repairs are told.

A legal history is only put in order: the results of one turn's calls stand in one user message, first, in the order of
the calls, and what stood between them comes behind. Healing a longer history leaves the healed shorter one as its
beginning, as long as the shorter one's last calls were answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from itertools import islice
from operator import is_
from typing import NamedTuple

import msgspec

from ..conversation.known import begun, once_of, remember
from ..conversation.notes import Notes
from ..conversation.parts import Part, Text, ToolCall, ToolKind, ToolResult
from ..conversation.request import Message, Request, Role
from .usable_calls import as_object

NO_RESULT = "no result provided"
_OF_TOOLS = frozenset((ToolCall, ToolResult))


def heal(request: Request, notes: Notes) -> Request:
    """The request with a legal history; the same object where nothing was to be done. Raises 400 under strict."""
    for message in request.messages:
        if not message.parts or not _OF_TOOLS.isdisjoint(map(type, message.parts)):
            return _healed(request, notes)
    return request  # as most that are small


def _healed(request: Request, notes: Notes) -> Request:
    messages = [message for message in request.messages if message.parts]
    if not all(_OF_TOOLS.isdisjoint(map(type, message.parts)) for message in messages):
        messages = _Healer(notes).whole(messages)
    return request if messages == request.messages else msgspec.structs.replace(request, messages=messages)


def with_last_turn(healed: Request, given: Request) -> Request:
    """The healed request, with the user's message of nothing that was the last one: it is a turn all the same. Without it
    nothing would be asked, or the assistant's message before it would be gone on with. Whether it can go is the
    target's to say (fit_turns.py)."""
    last = given.messages[-1] if given.messages else None
    if last is None or last.parts or last.role is not Role.USER:
        return healed
    if healed.messages and healed.messages[-1].role is Role.USER:
        return healed
    said = msgspec.structs.replace(last, parts=[Text("", path=last.path)])
    return msgspec.structs.replace(healed, messages=[*healed.messages, said])


def refuse_results_alone(healed: Request, given: Request, notes: Notes) -> None:
    """Raises 400 for a conversation of nothing but results that answer no call, as the vendors do (OpenAI: "must be a
    response to a preceding message with 'tool_calls'"). A system prompt is no question either."""
    if healed.messages:
        return
    for message in given.messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                notes.refuse(part.path, "it answers no call of the turn before, and nothing else is said.")


class _Healer:
    """A turn is an assistant message with what follows it up to the next one; it is written down when it is over."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._done: list[Message] = []
        # every call id that was given out, and how often it was asked for
        self._seen: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        self._calls: list[ToolCall] = []  # of this turn
        # id as the client wrote it -> calls not answered
        self._ids: dict[str, deque[ToolCall]] = defaultdict(deque)
        self._results: dict[str, ToolResult] = {}  # by the call's own id
        self._others: list[Message] = []  # what else was said in this turn
        self._given: Message | None = None  # the first with results in it

    def whole(self, messages: list[Message]) -> list[Message]:
        """The whole history."""
        taken = None  # with the message before it, whose calls it answers
        known = at = self._known(messages)
        ids, mended = 0, False  # of the calls up to there; was anything changed?
        padded = [*messages[at + 1 :], None, None]
        for message, answer, then in zip(messages[at:], padded, padded[1:], strict=False):
            at += 1
            if message is taken:
                taken = None
            elif answer is not None and message.role is Role.ASSISTANT and self._legal(message, answer, then):
                taken = answer
                if self._calls or self._others:
                    self._settle()
                self._done += (message, answer)
                if not mended:
                    known, ids = at + 1, len(self._seen)
            else:
                self._add(message)
                mended = mended or not _OF_TOOLS.isdisjoint(map(type, message.parts))
        self._settle()
        if ids:
            remember(messages, known, _Healer, dict.fromkeys(islice(self._seen, ids), 1))
        return self._done

    def _known(self, messages: list[Message]) -> int:
        """How many of the first were found legal before, up to results that nothing of the user's follows."""
        count, seen = begun(messages, _Healer)
        if count and count < len(messages) and messages[count].role is Role.USER:
            if once_of(messages[count - 1].parts, _results).alone:
                return 0  # what the user says behind them is said with them
        if count:
            self._done = messages[:count]
            self._seen.update(seen)
        return count

    def _legal(self, message: Message, answer: Message, then: Message | None) -> bool:
        """Are its calls and their results as they should be? Most of an agent's are, and are told by a look at each turn."""
        if answer.role is not Role.USER or (self._calls and self._goes_on):
            return False
        calls, results = once_of(message.parts, _calls), once_of(answer.parts, _results)
        if not calls or calls != results.of:
            return False
        if then is not None and then.role is Role.USER and results.alone:
            return False  # what the user says behind them is said with them
        seen = self._seen
        for one, _ in calls:
            if one in seen:
                return False
        for one, _ in calls:
            seen[one] = 1
        return True

    @property
    def _goes_on(self) -> bool:
        """Have the turn's calls not been answered yet? Neighbours of one role are one turn."""
        return bool(self._calls) and not self._results and not self._others

    def _add(self, message: Message) -> None:
        if message.role is Role.ASSISTANT:
            self._assistant(message)
            return
        others: list[Part] = []
        for part in message.parts:
            if type(part) is ToolResult:
                self._result(part)
                self._given = self._given or message
            else:
                others.append(part)
        if others:
            same = len(others) == len(message.parts)
            self._others.append(message if same else msgspec.structs.replace(message, parts=others))

    def _assistant(self, message: Message) -> None:
        goes_on = self._goes_on
        if not goes_on:
            self._settle()
        parts: list[Part] = []
        same = True
        for part in message.parts:
            if type(part) is ToolCall:
                call = self._with_object(self._with_own_id(part))
                self._ids[part.id].append(call)
                self._calls.append(call)
                parts.append(call)
                same = same and call is part
            else:
                parts.append(part)
        if goes_on:
            before = self._done.pop()
            self._done.append(msgspec.structs.replace(before, parts=[*before.parts, *parts]))
        else:
            self._done.append(message if same else msgspec.structs.replace(message, parts=parts))

    def _with_own_id(self, call: ToolCall) -> ToolCall:
        """Two calls under one id could not be answered apart, and are refused."""
        new = call.id
        while new in self._seen:
            self._seen[call.id] += 1
            new = f"{call.id}_{self._seen[call.id]}"
        self._seen[new] = 1
        if new == call.id:
            return call
        self._notes.repair(call.path, "its id was used before in this conversation")
        return msgspec.structs.replace(call, id=new)

    def _with_object(self, call: ToolCall) -> ToolCall:
        """Arguments that are no JSON object would be refused for the rest of the conversation
        (docs/protocols/messages.md#arguments-that-are-no-object)."""
        arguments = _usable(call)
        if arguments == call.arguments:
            return call
        if arguments:
            self._notes.repair(call.path, "its arguments are not a JSON object")
        return msgspec.structs.replace(call, arguments=arguments)

    def _result(self, result: ToolResult) -> None:
        waiting = self._ids.get(result.call_id)
        if not waiting:
            self._notes.repair(result.path, "it answers no call of the turn before")
            return
        call = waiting.popleft()
        if result.call_id != call.id or result.kind is not call.kind:
            result = msgspec.structs.replace(result, call_id=call.id, kind=call.kind)
        self._results[call.id] = result

    def _settle(self) -> None:
        """Write the turn down: its results in the order of its calls, then what else was said."""
        answers: list[Part] = [self._results.get(call.id) or self._missing(call) for call in self._calls]
        others, given = self._others, self._given
        self._begin()
        if answers:
            said = others.pop(0) if others and others[0].role is Role.USER else None
            parts = answers if said is None else [*answers, *said.parts]
            name = None if said is None else said.name
            if given is not None and given.name == name and _same(parts, given.parts):
                self._done.append(given)
            elif said is not None:
                self._done.append(msgspec.structs.replace(said, parts=parts))
            else:
                self._done.append(Message(Role.USER, answers, path=answers[0].path))
        self._done.extend(others)

    def _missing(self, call: ToolCall) -> ToolResult:
        self._notes.repair(call.path, "it has no result")
        return ToolResult(call.id, (Text(NO_RESULT),), True, call.kind, path=call.path)


def _usable(call: ToolCall) -> str:
    free = call.kind is not ToolKind.FUNCTION or not call.arguments
    return call.arguments if free else as_object(call.arguments)


_Calls = tuple[tuple[str, ToolKind], ...]
"""Ids of calls, in their order, with what is called."""


class _Results(NamedTuple):
    """of: the calls that these answer. alone: nothing else is said with them."""

    of: _Calls
    alone: bool


def _calls(parts: Sequence[Part]) -> _Calls:
    """Of one turn; () also where one of them has to be mended."""
    calls = [part for part in parts if type(part) is ToolCall]
    if len({call.id for call in calls}) < len(calls) or any(type(part) is ToolResult for part in parts):
        return ()
    if any(_usable(call) != call.arguments for call in calls):
        return ()
    return tuple((call.id, call.kind) for call in calls)


def _results(parts: Sequence[Part]) -> _Results:
    """Of one turn; of none unless they stand first."""
    results = [part for part in parts if type(part) is ToolResult]
    first = all(map(is_, results, parts))
    return _Results(
        tuple((one.call_id, one.kind) for one in results) if first else (), len(results) == len(parts)
    )


def _same(parts: list[Part], others: list[Part]) -> bool:
    return len(parts) == len(others) and all(map(is_, parts, others))
