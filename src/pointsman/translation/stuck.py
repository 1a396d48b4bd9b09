"""Does a conversation get on? Seen from the request alone, without state: the turns in its history are gone through, and
where a model got stuck, so many turns after it are the next target's. So every process sees the same, after a restart too.
Pure.

Signs, each of the last turns (`after` of them): the same calls that gave an error, or the same results; calls whose
arguments do not fit the tool's schema, or of a tool that is not there; turns without anything; the same words. And of the
last turn alone: words that go round in circles.

Not here: which target takes over (gateway/request/handing_over.py), and an answer that is running (gateway/attempt).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from ..conversation.parts import Part, Text, ToolCall, ToolKind, ToolResult
from ..conversation.repeats import REPEATS, goes_round
from ..conversation.request import Message, Request, Role
from ..jsonschema.fits import misfit
from ..routing.specs import MappingSpec

AFTER, FOR = 3, 5
"""Turns that show a sign, and turns that the next target then has, where a rule does not say otherwise."""
_LEAST_LETTERS = 20
"""Of words that are the same each turn: `Done.` is a fair answer to many things."""


class Patience(NamedTuple):
    """What a rule says. after: turns that show a sign. turns: those of the next target. repeats: of a phrase in a row."""

    after: int = AFTER
    turns: int = FOR
    repeats: int = REPEATS


class HandedOver(NamedTuple):
    """sign: in a few words, what the turns showed. left: turns that the next target has after this one."""

    sign: str
    left: int

    @property
    def told(self) -> str:
        """As a header and `explain` say it."""
        left = f"{self.left} more turns there" if self.left > 1 else "1 more turn there"
        return f"{self.sign}; {left if self.left else 'the last turn there'}"


def patience_of(rule: MappingSpec) -> Patience:
    """What the rule says, else the defaults."""
    return Patience(rule.stuck_after or AFTER, rule.stuck_for or FOR, rule.loop_repeats or REPEATS)


def next_first(rule: MappingSpec, labels: Sequence[str]) -> list[str]:
    """The targets' labels in the order in which they are asked then: the first, or the first group of equals, comes last,
    and is still there where no other can answer. labels: of the targets that may be used, in the rule's order."""
    whole = len(rule.targets) == len(labels)
    first, *rest = rule.equals if whole else [(at,) for at in range(len(labels))]
    return [labels[at] for at in (*(at for group in rest for at in group), *first)]


class _Turn(NamedTuple):
    """One turn of the model. calls: (name, arguments in one form); results: (text, is an error) of each, None where there is
    none. wrong: a call is of no tool, or does not fit its schema. said: its words. other: parts of other kinds."""

    calls: tuple[tuple[str, str], ...]
    results: tuple[tuple[str, bool] | None, ...]
    wrong: bool
    said: str
    other: bool

    @property
    def empty(self) -> bool:
        return not self.calls and not self.said.strip() and not self.other


def handed_over(request: Request, patience: Patience, looped: Iterable[int] = ()) -> HandedOver | None:
    """Whether this turn is the next target's; None while the conversation gets on. looped: numbers of turns whose answer was
    ended because it went round in circles: they are not in the history."""
    turns = _turns(request)
    ended = frozenset(looped)
    begins, until, sign = 0, 0, ""
    for count in range(len(turns) + 1):
        if count < until:
            continue
        if until and begins < until:
            begins = until  # what it had done before it handed over is forgiven
        if count in ended:
            found: str | None = "an answer went round in circles and was ended"
        else:
            found = _sign(turns[begins:count], patience)
        if found is not None:
            until, sign = count + patience.turns, found
    return HandedOver(sign, until - len(turns) - 1) if len(turns) < until else None


def turns_of(request: Request) -> int:
    """How many turns the model has had."""
    return len(_turns(request))


def _sign(turns: Sequence[_Turn], patience: Patience) -> str | None:
    if not turns:
        return None
    phrase = goes_round(turns[-1].said, patience.repeats)
    if phrase is not None:
        return f"it says again and again: {_short(phrase)}"
    last = turns[-patience.after :]
    if len(last) < patience.after:
        return None
    many = f"{patience.after} turns"
    if all(turn.empty for turn in last):
        return f"{many} without anything"
    if all(turn.wrong for turn in last):
        return f"{many} with calls that do not fit the tools"
    if last[0].calls and all(turn.calls == last[0].calls for turn in last):
        results = [result for turn in last for result in turn.results]
        if all(result is not None and result[1] for result in results):
            return f"{many} with the same call of {last[0].calls[0][0]}, and an error each time"
        if all(turn.results == last[0].results and None not in turn.results for turn in last):
            return f"{many} with the same call of {last[0].calls[0][0]} and the same result"
    said = last[0].said.strip()
    if len(said) >= _LEAST_LETTERS and all(turn.said.strip() == said and not turn.calls for turn in last):
        return f"{many} with the same words: {_short(said)}"
    return None


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 40 else words[:40] + "..."


def _turns(request: Request) -> list[_Turn]:
    """Messages of the assistant's that follow each other are one turn."""
    results = {
        part.call_id: (_words(part.parts), part.is_error)
        for message in request.messages
        for part in message.parts
        if isinstance(part, ToolResult)
    }
    fits = _fits(request)
    turns: list[_Turn] = []
    parts: list[Part] = []
    inside = False
    empty = _silent(request)
    for message in request.messages:
        mine = message.role is Role.ASSISTANT
        if inside and not mine:
            turns.append(_turn(parts, results, fits))
            parts = []
        place = _place(message.path)
        while empty and place is not None and empty[0] < place:
            empty.pop(0)
            if not inside or not mine:
                turns.append(_EMPTY)
        inside = mine
        if mine:
            parts += message.parts
    if inside:
        turns.append(_turn(parts, results, fits))
    return turns + [_EMPTY] * len(empty)


_EMPTY = _Turn((), (), False, "", False)
_at = re.compile(r"^\w+\[(\d+)\]").match
_NOTHING = frozenset(("role", "content", "type", "id", "status", "phase", "name", "refusal", "tool_calls"))


def _place(path: str) -> int | None:
    """The number of a message in the client's body."""
    found = _at(path)
    return int(found[1]) if found is not None else None


def _silent(request: Request) -> list[int]:
    """The places of the model's messages that say nothing: no dialect keeps them."""
    items = request.raw.get("messages", request.raw.get("input"))
    return [at for at, item in enumerate(items) if _says_nothing(item)] if isinstance(items, list) else []


def _says_nothing(item: Any) -> bool:
    if isinstance(item, Message):  # met before
        said = item.role is Role.ASSISTANT
        return said and not any(type(part) is not Text or part.text.strip() for part in item.parts)
    if not isinstance(item, dict) or item.get("role") != "assistant" or not item.keys() <= _NOTHING:
        return False
    content = item.get("content")
    if isinstance(content, list):
        content = "".join(
            str(part.get("text") or "") if str(part.get("type")).endswith("text") else "x"
            for part in content
            if isinstance(part, dict)
        )
    return not item.get("refusal") and not item.get("tool_calls") and not (content or "").strip()


def _turn(
    parts: Sequence[Part], results: dict[str, tuple[str, bool]], fits: Callable[[ToolCall], bool]
) -> _Turn:
    calls = [part for part in parts if isinstance(part, ToolCall)]
    return _Turn(
        tuple((call.name, _one_form(call)) for call in calls),
        tuple(results.get(call.id) for call in calls),
        any(not fits(call) for call in calls),
        "".join(part.text for part in parts if isinstance(part, Text)),
        any(not isinstance(part, (Text, ToolCall)) for part in parts),
    )


def _words(parts: Iterable[Part]) -> str:
    """Of a tool's result, but for what tells one run from the next; of other parts than text only that they are there."""
    text = "".join(part.text if isinstance(part, Text) else f"[{type(part).__name__}]" for part in parts)
    return _OF_THE_RUN.sub("", text)


_OF_THE_RUN = re.compile(
    r"^(?:Chunk ID: \w+|Wall time: [\d.]+ seconds)\n|\"duration_seconds\": ?[\d.]+", re.MULTILINE
)
"""What Codex writes above or beside each result of a command (seen of 0.171; the last one of older versions)."""


def _one_form(call: ToolCall) -> str:
    value = _value(call)
    return call.arguments if value is None else msgspec.json.encode(value, order="deterministic").decode()


def _value(call: ToolCall) -> Any:
    try:
        return msgspec.json.decode(call.arguments or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _fits(request: Request) -> Callable[[ToolCall], bool]:
    """Of the tools that the request has now; where it has none nobody can tell."""
    tools = {tool.name: tool for tool in request.tools}

    def fits(call: ToolCall) -> bool:
        tool = tools.get(call.name)
        if not tools or call.kind is ToolKind.CUSTOM:
            return True
        if tool is None:
            return any(call.name == server.name for server in request.server_tools)
        value = _value(call)
        return isinstance(value, dict) and misfit(value, tool.schema) is None

    return fits
