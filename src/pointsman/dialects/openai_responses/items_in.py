"""Responses' input items as neutral messages (docs/protocols/messages.md#responses-items-as-turns).
Pure.

Items of one assistant run become one message, in order; outputs of tools become user messages. Not here: repairing a
history (conversation/heal.py).
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...conversation.parts import (
    Audio,
    CacheMark,
    Document,
    Foreign,
    Image,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolKind,
    ToolResult,
)
from ...conversation.request import Message, Request, Role
from ..base import Reading
from ..capsule import Forged, is_capsule
from ..fields import Fields, bad
from ..openai_parts import FILES, document_of, image_of

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


def _item(request: Request, item: Fields, reading: Reading) -> None:
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
        parts = _output(item, reading)
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
    elif kind == "item_reference":
        reading.notes.refuse(item.path, "this gateway keeps no items; send the item itself.")
    else:
        value = item.value
        item.rest()
        _say(request, Foreign(OWN, kind, value, _text_of(value)), item.path)


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
    role = item.choice("role", _ROLES)
    if role is None:
        bad(item.at("role"), f"must be one of {', '.join(_ROLES)}.")
    phase = item.maybe_text("phase")
    if phase is not None:
        request.phases = True
    parts = _content(item, reading)
    if role in ("system", "developer"):
        if not request.messages:
            request.system.extend(part for part in parts if isinstance(part, Text))
        else:
            request.messages.append(Message(Role(role), parts, path=item.path))
    elif role == "assistant":
        for part in parts:
            _say(request, part, item.path, phase)
    else:
        request.messages.append(Message(Role.USER, parts, path=item.path))


def _content(item: Fields, reading: Reading) -> list[Part]:
    content = item.any("content")
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content, path=item.at("content"))] if content else []
    if not isinstance(content, list):
        bad(item.at("content"), "must be a string or a list of parts.")
    parts: list[Part] = []
    for index, one in enumerate(content):
        part = Fields(one, f"content[{index}]", item)
        found = read_part(part, reading)
        found.path = part.path
        part.close(reading.notes)
        if not (isinstance(found, Text) and not found.text):
            parts.append(found)
    return parts


def read_part(part: Fields, reading: Reading) -> Part:
    """One content part of a message or of a tool's output."""
    kind = part.need_text("type")
    mark = _mark(part, reading)
    if kind in ("input_text", "output_text", "text", "summary_text"):
        part.ignore("annotations", "logprobs")
        return Text(part.text("text"), mark)
    if kind == "refusal":
        return Refusal(part.text("refusal"))
    if kind == "input_image":
        return _image(part, mark)
    if kind == "input_file":
        return _file(part, mark)
    if kind == "input_audio":
        inner = part.object("input_audio") or part
        return Audio(inner.need_text("data"), inner.text("format", "wav"))
    raise bad(part.at("type"), f"is a kind of part that is not known: {kind[:60]!r}.")


def _mark(part: Fields, reading: Reading) -> CacheMark | None:
    found = part.object("prompt_cache_breakpoint")
    if found is None:
        return None
    found.ignore("mode", "type")
    mark = CacheMark(found.maybe_text("ttl"), path=found.path)
    found.close(reading.notes)
    return mark


def _image(part: Fields, mark: CacheMark | None) -> Image:
    url, file_id, detail = part.maybe_text("image_url"), part.maybe_text("file_id"), part.maybe_text("detail")
    if url is None:
        if file_id is None:
            bad(part.at("image_url"), "or file_id must be there.")
        return Image(file_id=file_id, file_of=FILES, detail=detail, cache=mark)
    return image_of(url, detail, mark, part.at("image_url"))


def _file(part: Fields, mark: CacheMark | None) -> Document:
    data, title = part.maybe_text("file_data"), part.maybe_text("filename")
    url, file_id = part.maybe_text("file_url"), part.maybe_text("file_id")
    part.ignore("detail")
    found = document_of(data, title, file_id, url, part.at("file_data"))
    found.cache = mark
    return found


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


def _output(item: Fields, reading: Reading) -> tuple[Text | Image | Document, ...]:
    value = item.any("output")
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value, path=item.at("output")),) if value else ()
    if not isinstance(value, list):
        bad(item.at("output"), "must be a string or a list of parts.")
    parts = []
    for index, one in enumerate(value):
        part = Fields(one, f"output[{index}]", item)
        found = read_part(part, reading)
        found.path = part.path
        part.close(reading.notes)
        if not isinstance(found, Text | Image | Document):
            bad(part.at("type"), "cannot stand in a tool's output.")
        if not (isinstance(found, Text) and not found.text):
            parts.append(found)
    return tuple(parts)


def _reasoning(item: Fields, reading: Reading) -> Thinking | None:
    texts = [one.text("text") for one in item.objects("summary")]
    texts += [one.text("text") for one in item.objects("content")]
    text = "\n\n".join(filter(None, texts))
    item_id, encrypted = item.maybe_text("id"), item.maybe_text("encrypted_content")
    if encrypted is None:
        return Thinking(text) if text else None
    if not is_capsule(encrypted):
        return Thinking(text, Opaque(OWN, {"id": item_id, "encrypted_content": encrypted}))
    try:
        opaque = reading.capsules.open(encrypted)
    except Forged:
        reading.notes.drop(item.at("encrypted_content"), "it was not made by this gateway, or was changed")
        return None
    data = opaque.data if opaque is not None else None
    return Thinking(text, opaque, isinstance(data, dict) and data.get("type") == "redacted_thinking")
