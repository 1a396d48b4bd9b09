"""Responses' input items as neutral messages (docs/protocols/messages.md#responses-items-as-turns).
Pure.

Items of one assistant run become one message, in order; outputs of tools become user messages. Not here: repairing a
history (conversation/heal.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.known import KnownList, joined
from ...conversation.parts import Foreign, Opaque, Part, Text, Thinking, ToolCall, ToolKind, ToolResult
from ...conversation.request import Message, Request, Role
from ..base import Reading
from ..decoding import decode_object as decode
from ..fields import Fields, bad
from ..openai_parts import image_of, read_parts, read_results, read_texts
from ..replayed import replayed
from ..turn_memory import Turns
from .client_tools import ITEMS
from .plain_words import told
from .references import UNKNOWN_ITEM, UNKNOWN_RESPONSE, is_reference

OWN = "openai_responses"
_ROLES = ("user", "assistant", "system", "developer")
_CALLS = {"function_call": ToolKind.FUNCTION, "custom_tool_call": ToolKind.CUSTOM}
_ALONE = frozenset((*_CALLS, *(f"{kind}_output" for kind in _CALLS)))
"""Items that are read without looking at others, but for messages."""
_UNREADABLE = {
    "compaction": "a compacted conversation can be read by the vendor that made it only; send its "
    "messages themselves, or use one of that vendor's models.",
    "compaction_trigger": "this backend cannot compact a conversation; leave it out for this model.",
}
"""Items that mean nothing without their vendor, and cannot be left out."""


class Later:
    """What stands among the items and belongs elsewhere. tools: declared in mid-conversation.
    updates: of the request's settings."""

    __slots__ = ("_calls", "tools", "updates")

    def __init__(self) -> None:
        self.tools: list[Fields] = []
        self.updates: list[Fields] = []
        self._calls: dict[str, str] = {}

    def remember(self, item_id: Any, call_id: str) -> None:
        """The id of a call's item, by which some of its outputs name it."""
        if isinstance(item_id, str):
            self._calls[item_id] = call_id

    def call_of(self, value: dict[str, Any]) -> str:
        """The call that an output answers."""
        found = str(value.get("call_id") or value.get("id") or "")
        return self._calls.get(found, found)


def read_input(request: Request, fields: Fields, later: Later, reading: Reading) -> None:
    """Fill request.system (leading texts), request.messages and `later`."""
    value = fields.any("input")
    if isinstance(value, str):
        said: list[Part] = [Text(value, path="input")] if value else []
        request.messages.append(Message(Role.USER, said, path="input"))
        return
    if not isinstance(value, list):
        bad("input", "must be a string or a list of items.")
    if type(value) is Turns:
        _read_turns(request, value, later, reading)
        return
    for index, one in enumerate(value):
        _item(request, Fields(one, f"input[{index}]"), later, reading)


def _read_turns(request: Request, turns: Turns, later: Later, reading: Reading) -> None:
    """The same of items some of which were met before, in the same place: those are not read again."""
    said: list[Message] = []  # by the assistant, one after the other
    for at, one in enumerate(turns):
        read = [one] if type(one) is Message else _by_itself(one, at, turns, later, reading)
        if read is None:
            _say_all(request, said)
            _item(request, Fields(one, f"input[{at}]"), later, reading)
        elif read and read[0].role is Role.ASSISTANT:
            said += read
        elif read:
            _say_all(request, said)
            request.messages += read
    _say_all(request, said)


def _by_itself(value: Any, at: int, turns: Turns, later: Later, reading: Reading) -> list[Message] | None:
    """What becomes of an item that is read without looking at others: one message, or nothing. None of any other."""
    if type(value) is not dict or value.get("phase") is not None:
        return None
    kind, role = value.get("type"), value.get("role")
    if kind not in _ALONE and (kind not in (None, "message") or role not in ("user", "assistant")):
        return None
    own, told = Request(""), len(reading.notes.warnings)
    _item(own, Fields(value, f"input[{at}]"), later, reading)
    if own.messages:
        turns.keep(at, own.messages[0], reading.notes, told)
    return own.messages


def _say_all(request: Request, said: list[Message]) -> None:
    """Of the assistant, one after the other: one message, with what it has said before them. Empties the list."""
    if not said:
        return
    last = request.messages[-1] if request.messages else None
    if last is not None and last.role is Role.ASSISTANT:
        for message in said:
            for part in message.parts:
                _say(request, part, message.path)
    else:
        request.messages.append(said[0] if len(said) == 1 else joined(said))
    said.clear()


def read_earlier(request: Request, fields: Fields, later: Later, reading: Reading) -> None:
    """What was said up to the response that the request goes on from, out of the gateway's memory."""
    path = "previous_response_id"
    previous = fields.maybe_text(path)
    if previous is None:
        return
    if reading.recalled.earlier is None:
        reading.notes.refuse(path, UNKNOWN_RESPONSE)
    for index, one in enumerate(reading.recalled.earlier):
        _item(request, Fields(decode(one), f"{path}[{index}]"), later, reading)


def _item(request: Request, item: Fields, later: Later, reading: Reading) -> None:
    given, item = item, _referred(item, reading)
    kind = item.text("type", "message")
    item.ignore("status")
    if kind == "message":
        item.ignore("id")
        _message(request, item, reading)
    elif kind == "reasoning":
        part = _reasoning(item, reading)
        if part is not None:
            _say(request, part, item.path)
    elif not _called(request, item, kind, later, reading):
        _other(request, item, kind, later, reading)
    given.close(reading.notes)


def _referred(item: Fields, reading: Reading) -> Fields:
    """The item itself, where this one only refers to it by its id."""
    value = item.value
    if not is_reference(value.get("type"), value.get("role"), value.get("id")):
        return item
    item.ignore("type")
    found = reading.recalled.items.get(item.text("id"))
    if found is None:
        reading.notes.refuse(item.path, UNKNOWN_ITEM)
    return Fields(decode(found[0]), item.path)


def _called(request: Request, item: Fields, kind: str, later: Later, reading: Reading) -> bool:
    """Calls of tools that the client runs, and their outputs. False: it is none."""
    call = kind.removesuffix("_output")
    output = call != kind
    if call in _CALLS:
        item.ignore("id", *(("name", "namespace") if output else ()))
        _beside(item, reading)
        if output:
            call_id, parts = item.need_text("call_id"), read_results(item, "output", reading)
            _answer(request, ToolResult(call_id, parts, kind=_CALLS[call]), item.path)
        else:
            _say(request, _call(item, kind), item.path)
    elif call in ITEMS:
        value = item.value
        _beside(item, reading)
        item.rest()
        if output:
            _answer(request, _shell_output(item, later.call_of(value)), item.path)
        else:
            tool = ITEMS[call]
            call_id = str(value.get("call_id") or value.get("id") or "")
            later.remember(value.get("id"), call_id)
            given = msgspec.json.encode({tool.key: value.get(tool.key)}).decode()
            _say(request, ToolCall(call_id, tool.type, given), item.path)
    elif call == "computer_call":
        _computer(request, item, output, reading)
    else:
        return False
    return True


def _beside(item: Fields, reading: Reading) -> None:
    """What a call and its output say of how it was made, beside what a model reads."""
    caller = item.any("caller")
    if isinstance(caller, dict) and caller.get("type") != "direct":
        reading.notes.drop(
            item.at("caller"), "that the vendor's own program called it means nothing elsewhere"
        )
    place = item.any("environment")
    if isinstance(place, dict) and (place.get("type") != "local" or place.get("skills")):
        reading.notes.drop(item.at("environment"))
    for name in ("pending_safety_checks", "acknowledged_safety_checks", "max_output_length"):
        if item.any(name) not in (None, []):
            reading.notes.drop(item.at(name))


def _shell_output(item: Fields, call_id: str) -> ToolResult:
    value = item.value
    output = value.get("output")
    if output is None:  # a patch, whose words are optional
        output = str(value.get("status") or "completed")
    text = output if isinstance(output, str) else msgspec.json.encode(output).decode()
    failed = value.get("status") == "failed"
    return ToolResult(call_id, (Text(text, path=item.at("output")),), failed)


def _computer(request: Request, item: Fields, output: bool, reading: Reading) -> None:
    """A screen that the client works: its calls and screenshots are those of any tool."""
    value = item.value
    call_id = item.need_text("call_id")
    _beside(item, reading)
    if output:
        item.ignore("id")
        shot = item.need_object("output")
        shot.ignore("type")
        picture = image_of(shot)
        picture.path = shot.path
        shot.close(reading.notes)
        _answer(request, ToolResult(call_id, (picture,)), item.path)
        return
    item.rest()
    actions = {key: value[key] for key in ("action", "actions") if value.get(key) is not None}
    _say(request, ToolCall(call_id, "computer", msgspec.json.encode(actions).decode()), item.path)


def _other(request: Request, item: Fields, kind: str, later: Later, reading: Reading) -> None:
    """What only its vendor knows: told in words where it has any."""
    if kind in _UNREADABLE:
        reading.notes.refuse(item.path, _UNREADABLE[kind])
    if kind == "configuration_update":
        later.updates.append(Fields(item.rest(), item.path))
        return
    if kind in ("additional_tools", "tool_search_output"):
        later.tools += item.objects("tools")
        reading.notes.change(item.at("tools"), "the tools are declared with the others, from the start")
    value = item.value
    if kind == "mcp_approval_response":
        item.rest()
        said = "The user allowed the call." if value.get("approve") else "The user did not allow the call."
        words = " ".join(filter(None, (said, value.get("reason"))))
        reading.notes.change(item.path, "what the user allows is told in words")
        request.messages.append(Message(Role.USER, [Text(words, path=item.path)], path=item.path))
    elif kind != "additional_tools":
        words, pictures = told(item)
        item.rest()
        _say(request, Foreign(OWN, kind, value, words, pictures), item.path)
    item.ignore("id", "role")


def _answer(request: Request, result: ToolResult, path: str) -> None:
    """A tool's output. path: of its item."""
    result.path = path
    request.messages.append(Message(Role.USER, [result], path=path))


def _say(request: Request, part: Part, path: str, phase: str | None = None) -> None:
    """Another part of the assistant's run: one message as long as nobody else spoke. path: of its item."""
    part.path = part.path or path
    last = request.messages[-1] if request.messages else None
    if last is not None and last.role is Role.ASSISTANT and (phase is None or last.phase in (None, phase)):
        if type(last.parts) is KnownList:  # which nobody changes
            request.messages[-1] = last = Message(Role.ASSISTANT, [*last.parts], path=last.path)
        last.parts.append(part)
        last.phase = last.phase or phase
        return
    request.messages.append(Message(Role.ASSISTANT, [part], phase=phase, path=path))


def _message(request: Request, item: Fields, reading: Reading) -> None:
    role = item.need_choice("role", _ROLES)
    phase = item.maybe_text("phase")
    if phase is not None:
        request.phases = True
    if role in ("system", "developer"):
        texts = read_texts(item, "content", reading)
        if not request.messages:
            request.system.extend(texts)
        else:
            request.messages.append(Message(Role(role), [*texts], path=item.path))
        return
    parts = read_parts(item, "content", reading)
    if role == "assistant":
        for part in parts:
            _say(request, part, item.path, phase)
    else:
        request.messages.append(Message(Role.USER, parts, path=item.path))


def _call(item: Fields, kind: str) -> ToolCall:
    custom = kind == "custom_tool_call"
    call_id, name = item.need_text("call_id"), item.need_text("name")
    namespace = item.maybe_text("namespace")
    arguments = item.any("input" if custom else "arguments")
    if arguments is not None and not isinstance(arguments, str):
        bad(item.at("input" if custom else "arguments"), "must be a string.")
    return ToolCall(
        call_id, name, arguments or "", ToolKind.CUSTOM if custom else ToolKind.FUNCTION, namespace
    )


def _reasoning(item: Fields, reading: Reading) -> Thinking | None:
    texts = [one.text("text") for one in item.objects("summary")]
    texts += [one.text("text") for one in item.objects("content")]
    text = "\n\n".join(filter(None, texts))
    item_id, encrypted = item.maybe_text("id"), item.maybe_text("encrypted_content")
    if encrypted is None:
        return Thinking(text) if text else None
    own = Opaque(OWN, {"id": item_id, "encrypted_content": encrypted})
    return replayed(text, encrypted, own, item.at("encrypted_content"), reading)
