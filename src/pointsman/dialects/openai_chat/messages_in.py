"""Chat messages as neutral ones (docs/protocols/messages.md#chat-histories). Pure.

Not here: repairing a history (conversation/heal.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import Foreign, Opaque, Part, Refusal, Thinking, ToolCall, ToolKind, ToolResult
from ...conversation.places import Place, in_place
from ...conversation.request import Message, Request, Role
from ..base import Reading
from ..capsule import is_capsule
from ..fields import Fields, bad
from ..openai_parts import cache_mark, image_of, read_parts, read_results, read_texts
from ..replayed import replayed
from ..shown import PICTURE
from ..turn_memory import Turns

OWN = "openai_chat"
_ALONE = ("user", "assistant", "tool")
"""Whose turns are read without looking at others, but for a call of the time when calls had no ids."""
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def read_messages(request: Request, messages: Any, body: Fields, reading: Reading) -> None:
    """Fill request.system and request.messages."""
    if not isinstance(messages, list) or not messages:
        bad("messages", "must be a list with at least one message.")
    body.ignore("messages")
    leading = True
    function_ids: list[str] = []
    turns = messages if type(messages) is Turns else None
    for index, one in enumerate(messages):
        if type(one) is Message:
            leading = False
            request.messages.append(one)
            continue
        told = len(reading.notes.warnings)
        message = Fields(one, f"messages[{index}]")
        role = message.need_choice("role", _ROLES)
        if role in ("system", "developer"):
            texts = read_texts(message, "content", reading)
            name = message.maybe_text("name")
            if leading:
                if name is not None:
                    reading.notes.drop(message.at("name"))
                request.system.extend(texts)
            else:
                request.messages.append(Message(Role(role), [*texts], name, path=message.path))
        else:
            leading = False
            turn = _turn(role, index, message, reading, function_ids)
            turn.path = message.path
            request.messages.append(turn)
        message.close(reading.notes)
        if turns is not None and role in _ALONE and "function_call" not in message.value:
            turns.keep(index, request.messages[-1], reading.notes, told)


def _turn(role: str, index: int, message: Fields, reading: Reading, function_ids: list[str]) -> Message:
    if role == "user":
        name = message.maybe_text("name")
        return Message(Role.USER, read_parts(message, "content", reading), name)
    if role == "assistant":
        return _assistant(index, message, reading, function_ids)
    if role == "function":
        message.need_text("name")
        call_id = function_ids.pop(0) if function_ids else ""
        parts = read_results(message, "content", reading)
        return Message(Role.USER, [ToolResult(call_id, parts, path=message.path)])
    call_id = message.need_text("tool_call_id")
    message.ignore("name")
    mark = cache_mark(message, reading)
    parts = read_results(message, "content", reading)
    result = ToolResult(call_id, parts, cache=mark, path=message.path)
    return Message(Role.USER, [result])


# -- the assistant's turns


def _assistant(index: int, message: Fields, reading: Reading, function_ids: list[str]) -> Message:
    thoughts = _thoughts(message, reading)
    parts: list[Part] = list(read_parts(message, "content", reading))
    if message.items("annotations"):
        reading.notes.drop(message.at("annotations"))
    refusal = message.maybe_text("refusal")
    if refusal:
        parts.append(Refusal(refusal, path=message.at("refusal")))
    for picture in message.objects("images"):  # an earlier answer's
        shown = image_of(picture)
        shown.path = picture.path
        picture.ignore("type", "index")
        picture.close(reading.notes)
        parts.append(Foreign(OWN, "images", picture.value, PICTURE, (shown,), path=picture.path))
    for call in message.objects("tool_calls"):
        made = _call(call, reading)
        made.path = call.path
        parts.append(made)
        call.close(reading.notes)
    legacy = message.object("function_call")
    if legacy is not None:
        call_id = f"call_legacy_{index}"  # deterministic: the protocol of that time had no ids
        function_ids.append(call_id)
        name, arguments = legacy.need_text("name"), legacy.text("arguments")
        parts.append(ToolCall(call_id, name, arguments, path=legacy.path))
        legacy.close(reading.notes)
    if message.any("audio") is not None:
        reading.notes.drop(message.at("audio"))
    parts = in_place(parts, thoughts)
    return Message(Role.ASSISTANT, parts, message.maybe_text("name"))


def _call(call: Fields, reading: Reading) -> ToolCall:
    kind = call.choice("type", ("function", "custom"))
    call_id = call.need_text("id")
    call.ignore("index")
    if kind == "custom":
        inner = call.need_object("custom")
        made = ToolCall(call_id, inner.need_text("name"), inner.text("input"), ToolKind.CUSTOM)
        inner.close(reading.notes)
        return made
    inner = call.need_object("function")
    name = inner.need_text("name")
    arguments = inner.any("arguments")
    if isinstance(arguments, dict):  # some clients replay them parsed
        arguments = msgspec.json.encode(arguments).decode()
    if arguments is not None and not isinstance(arguments, str):
        bad(inner.at("arguments"), "must be a string.")
    inner.close(reading.notes)
    return ToolCall(call_id, name, arguments or "")


def _thoughts(message: Fields, reading: Reading) -> list[tuple[Thinking, Place]]:
    """Earlier reasoning, in whichever carrier it came: the one with signatures first
    (docs/protocols/reasoning.md#where-reasoning-stands-in-answers)."""
    text, key = message.maybe_text("reasoning_content") or "", "reasoning_content"
    other = message.any("reasoning")
    if isinstance(other, str) and not text:
        text, key = other, "reasoning"
    details = message.items("reasoning_details")
    found: list[tuple[Thinking, Place]] = []
    for index, one in enumerate(details):
        detail = Fields(one, f"reasoning_details[{index}]", message)
        part = _detail(detail, reading)
        if part is not None:
            part.path = detail.path
            found.append((part, _place(detail.value)))
    if found:
        return found
    return [(Thinking(text, path=message.at(key)), (0, 0))] if text else []


def _place(detail: dict[str, Any]) -> Place:
    """As we told it; the front for any other's."""
    found = detail.get("place")
    if isinstance(found, list) and len(found) == 2 and all(type(one) is int for one in found):
        return found[0], found[1]
    return 0, 0


def _detail(detail: Fields, reading: Reading) -> Thinking | None:
    text = detail.text("text") or detail.text("summary")
    carrier = detail.maybe_text("signature") or detail.maybe_text("data")
    if carrier is None:
        return Thinking(text) if text else None
    if not text and not is_capsule(carrier):
        return None
    return replayed(text, carrier, Opaque(OWN, detail.value), detail.at("signature"), reading)
