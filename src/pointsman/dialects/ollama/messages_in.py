"""Ollama's messages as neutral ones. Pure.

Not here: repairing a history (translation/heal.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import Image, Part, Text, Thinking, ToolCall, ToolResult
from ...conversation.request import Message, Request, Role
from ..base import Reading
from ..fields import Fields, bad
from .images import read_images

_ROLES = ("system", "user", "assistant", "tool")


class _Open:
    """Calls whose results have not come yet. Older clients name the tool only, or nothing: then the first call that fits is
    meant (docs/protocols/ollama.md#results-without-an-id)."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, str]] = []  # (id, name)

    def called(self, call: ToolCall) -> None:
        self._calls.append((call.id, call.name))

    def answered(self, call_id: str | None, name: str | None) -> str:
        """The id of the call that a result is of; "" where there is none."""
        if call_id is not None:
            self._calls = [one for one in self._calls if one[0] != call_id]
            return call_id
        for at, (found, called) in enumerate(self._calls):
            if name is None or called == name:
                del self._calls[at]
                return found
        return self._calls.pop(0)[0] if self._calls else ""


def read_messages(request: Request, messages: list[Any], reading: Reading) -> None:
    """Fill request.system and request.messages."""
    leading, waiting = True, _Open()
    for index, one in enumerate(messages):
        message = Fields(one, f"messages[{index}]")
        role = message.need_text("role").lower()  # as Ollama reads it (api/types.go, `Message.UnmarshalJSON`)
        if role not in _ROLES:
            bad(message.at("role"), f"must be one of {', '.join(_ROLES)}.")
        if role == "system":
            _system(request, message, reading, leading=leading)
        else:
            leading = False
            request.messages.append(_turn(role, index, message, reading, waiting))
        message.close(reading.notes)


def _texts(message: Fields) -> list[Text]:
    content = message.text("content")
    return [Text(content, path=message.at("content"))] if content else []


def _system(request: Request, message: Fields, reading: Reading, *, leading: bool) -> None:
    texts = _texts(message)
    if read_images(message):
        reading.notes.refuse(message.at("images"), "a system message is text; send pictures as the user's.")
    if leading:
        request.system.extend(texts)
    else:
        request.messages.append(Message(Role.SYSTEM, [*texts], path=message.path))


def _turn(role: str, index: int, message: Fields, reading: Reading, waiting: _Open) -> Message:
    images = read_images(message)
    if role == "assistant":
        if images:
            reading.notes.drop(message.at("images"), "a model is not shown pictures as its own")
        return Message(Role.ASSISTANT, _said(index, message, waiting), path=message.path)
    texts = _texts(message)
    if role == "tool":
        name = message.maybe_text("tool_name") or message.maybe_text("name")
        call_id = waiting.answered(message.maybe_text("tool_call_id"), name)
        result = ToolResult(call_id, (*texts, *images), path=message.path)
        return Message(Role.USER, [result], path=message.path)
    parts: list[Part] = [*images, *texts]
    return Message(Role.USER, parts, path=message.path)


def _said(index: int, message: Fields, waiting: _Open) -> list[Part]:
    parts: list[Part] = []
    thinking = message.text("thinking")
    if thinking:
        parts.append(Thinking(thinking, path=message.at("thinking")))
    parts += _texts(message)
    message.ignore("tool_name", "tool_call_id")
    for number, call in enumerate(message.objects("tool_calls")):
        made = _call(call, f"call_{index}_{number}")
        waiting.called(made)
        parts.append(made)
    return parts


def _call(call: Fields, otherwise: str) -> ToolCall:
    """otherwise: its id where the client keeps none."""
    inner = call.need_object("function")
    arguments = inner.any("arguments")
    if isinstance(arguments, str):  # clients that come from OpenAI's form
        text = arguments
    elif arguments is None or isinstance(arguments, dict):
        text = msgspec.json.encode(arguments or {}).decode()
    else:
        bad(inner.at("arguments"), "must be an object.")
    return ToolCall(call.maybe_text("id") or otherwise, inner.need_text("name"), text, path=call.path)


def user_turn(prompt: str, images: list[Image]) -> Message:
    """A prompt by itself."""
    texts = [Text(prompt, path="prompt")] if prompt else []
    return Message(Role.USER, [*images, *texts], path="prompt")
