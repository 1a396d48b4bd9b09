"""Responses' input items as neutral messages (docs/protocols/messages.md#responses-items-as-turns).
Pure.

Items of one assistant run become one message, in order; outputs of tools become user messages. Not here: repairing a
history (conversation/heal.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import Foreign, Opaque, Part, Text, Thinking, ToolCall, ToolKind, ToolResult
from ...conversation.request import Message, Request, Role
from ..base import Reading
from ..fields import Fields, bad
from ..openai_parts import read_parts, read_results, read_texts
from ..replayed import replayed
from .frames import decode_object as decode
from .references import UNKNOWN_ITEM, UNKNOWN_RESPONSE

OWN = "openai_responses"
_ROLES = ("user", "assistant", "system", "developer")
_SHELL = {"local_shell_call": "local_shell", "shell_call": "shell", "apply_patch_call": "apply_patch"}
"""Calls of tools that the client runs, but whose shape is a kind of its own: the tool's name for each."""
_SHELL_OUTPUTS = frozenset(f"{kind}_output" for kind in _SHELL)


def read_input(request: Request, fields: Fields, reading: Reading) -> None:
    """Fill request.system (leading texts) and request.messages."""
    value = fields.any("input")
    if isinstance(value, str):
        if value:
            request.messages.append(Message(Role.USER, [Text(value, path="input")], path="input"))
        return
    if not isinstance(value, list):
        bad("input", "must be a string or a list of items.")
    for index, one in enumerate(value):
        item = Fields(one, f"input[{index}]")
        _item(request, item, reading)
        item.close(reading.notes)


def read_earlier(request: Request, fields: Fields, reading: Reading) -> None:
    """What was said up to the response that the request goes on from, out of the gateway's memory."""
    path = "previous_response_id"
    previous = fields.maybe_text(path)
    if previous is None:
        return
    if reading.recalled.earlier is None:
        reading.notes.refuse(path, UNKNOWN_RESPONSE)
    for index, one in enumerate(reading.recalled.earlier):
        item = Fields(decode(one), f"{path}[{index}]")
        _item(request, item, reading)
        item.close(reading.notes)


def _item(request: Request, item: Fields, reading: Reading) -> None:
    item = _referred(item, reading)
    kind = item.text("type", "message")
    item.ignore("status")
    if kind == "message":
        item.ignore("id")
        _message(request, item, reading)
    elif kind == "reasoning":
        part = _reasoning(item, reading)
        if part is not None:
            _say(request, part, item.path)
    elif kind in ("function_call", "custom_tool_call"):
        item.ignore("id")
        _say(request, _call(item, kind), item.path)
    elif kind in ("function_call_output", "custom_tool_call_output"):
        item.ignore("id", "name")
        custom = kind.startswith("custom")
        call_id = item.need_text("call_id")
        parts = read_results(item, "output", reading)
        kind_of = ToolKind.CUSTOM if custom else ToolKind.FUNCTION
        _answer(request, ToolResult(call_id, parts, kind=kind_of), item.path)
    elif kind in _SHELL:
        arguments = {key: inner for key, inner in item.rest().items() if key not in ("id", "call_id")}
        call_id = str(item.value.get("call_id") or item.value.get("id") or "")
        _say(request, ToolCall(call_id, _SHELL[kind], msgspec.json.encode(arguments).decode()), item.path)
    elif kind in _SHELL_OUTPUTS:
        call_id = str(item.value.get("call_id") or item.value.get("id") or "")
        output = item.rest().get("output")
        text = output if isinstance(output, str) else msgspec.json.encode(output).decode()
        _answer(request, ToolResult(call_id, (Text(text, path=item.at("output")),)), item.path)
    else:
        value = item.value
        item.rest()
        _say(request, Foreign(OWN, kind, value, _text_of(value)), item.path)


def _referred(item: Fields, reading: Reading) -> Fields:
    """The item itself, where this one only refers to it by its id."""
    if item.value.get("type") != "item_reference":
        return item
    item.ignore("type")
    found = reading.recalled.items.get(item.text("id"))
    if found is None:
        reading.notes.refuse(item.path, UNKNOWN_ITEM)
    return Fields(decode(found[0]), item.path)


def _text_of(value: dict[str, Any]) -> str:
    """What a foreign item says in words, if anything."""
    for key in ("summary", "text"):
        found = value.get(key)
        if isinstance(found, str):
            return found
    return ""


def _answer(request: Request, result: ToolResult, path: str) -> None:
    """A tool's output. path: of its item."""
    result.path = path
    request.messages.append(Message(Role.USER, [result], path=path))


def _say(request: Request, part: Part, path: str, phase: str | None = None) -> None:
    """Another part of the assistant's run: one message as long as nobody else spoke. path: of its item."""
    part.path = part.path or path
    last = request.messages[-1] if request.messages else None
    if last is not None and last.role is Role.ASSISTANT and (phase is None or last.phase in (None, phase)):
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
    item.ignore("caller")
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
