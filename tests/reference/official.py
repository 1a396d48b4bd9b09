"""Every field of the vendors' own request types (the SDKs' TypedDicts), each sent alone: a body without
it, the same body with it. Not here: what becomes of it (fidelity.outcome).

Walked by what the types themselves say, so that a field that a newer SDK brings is sent as well.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import typing_extensions
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming as Messages
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming as Chat
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming as Responses

from pointsman.kinds import Protocol

from .nested import CHAT, FLAT, GO, HI, MESSAGES, OWN, PICTURE, RESPONSES, SCHEMA, Body

Row = tuple[str, Body, Body]
"""(where, the body without it, with it)."""
SCHEMAS: dict[Protocol, Any] = {CHAT: Chat, RESPONSES: Responses, MESSAGES: Messages}
_URL = "https://example.com/a.png"
_WORDS: dict[str, Any] = {
    "url": _URL, "image_url": _URL, "file_url": _URL, "data": PICTURE, "result": PICTURE, "arguments": "{}",
    "file_data": "data:application/pdf;base64,JVBERi0=", "call_id": "c1", "tool_call_id": "c1", "tool_use_id": "c1",
    "name": "f", "media_type": "image/png", "mime_type": "image/png",
}  # fmt: skip
"""What a string must look like where any other would be refused."""
_OTHERS = {"budget_tokens": 2000, "temperature": 0.3, "top_p": 0.4}
_OBJECTS = {"parameters": SCHEMA, "input_schema": SCHEMA, "schema": SCHEMA, "logit_bias": {"5": 1}}
_KEPT = {*_WORDS.values()} - {"f", "{}", _URL}


class _NoSample(Exception):
    """Nothing can stand there: files, pictures in memory, a type within itself."""


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(kind)


@functools.cache
def _required(kind: Any) -> frozenset[str]:
    """By the types themselves: __required_keys__ does not see through `from __future__ import annotations`."""
    found = typing_extensions.get_type_hints(kind, include_extras=True)
    said = {
        key for key, value in found.items() if get_origin(value) in (Required, typing_extensions.Required)
    }
    return frozenset(said)


def _bare(kind: Any) -> Any:
    while get_origin(kind) in (Required, NotRequired, Annotated):
        kind = get_args(kind)[0]
    return kind


def _members(kind: Any) -> list[Any]:
    kind = _bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return [one for inner in get_args(kind) for one in _members(inner) if one is not types.NoneType]
    return [kind]


def _inner(kind: Any) -> Any | None:
    """Of what a list is made, None for what is none."""
    name = str(get_origin(kind))
    is_list = get_origin(kind) is list or "Iterable" in name or "Sequence" in name
    return get_args(kind)[0] if is_list else None


def _least(kind: Any, key: str, above: tuple[Any, ...]) -> Any:
    """The smallest value of that type. Raises _NoSample."""
    kind = _members(kind)[0]
    if typing.is_typeddict(kind) or typing_extensions.is_typeddict(kind):
        if kind in above:
            raise _NoSample
        fields = _fields(kind)
        return {name: _least(fields[name], name, (*above, kind)) for name in sorted(_required(kind))}
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if (inner := _inner(kind)) is not None:
        return [_least(inner, key, above)]
    if get_origin(kind) is dict or "Mapping" in str(get_origin(kind)):
        return _OBJECTS.get(key, {"k": "v"})
    plain = {str: _WORDS.get(key, "s"), bool: True, int: _OTHERS.get(key, 3), float: _OTHERS.get(key, 0.5)}
    if kind in plain:
        return plain[kind]
    if kind in (object, Any):
        return _OBJECTS.get(key, "o")
    raise _NoSample


def _samples(kind: Any, key: str, above: tuple[Any, ...]) -> Iterator[Any]:
    for one in _members(kind):
        if get_origin(one) is Literal:
            yield from get_args(one)
        else:
            try:
                yield _least(one, key, above)
            except _NoSample:
                continue


def _other(value: Any) -> Any:
    """Another value in the place of a required one; None where there is none that says something else."""
    if isinstance(value, str) and value not in _KEPT:
        return f"{value}?x" if value == _URL else '{"a": "x"}' if value == "{}" else f"{value}zz"
    return value + 1 if type(value) in (int, float) else None


def _walk(kind: Any, key: str, where: str, above: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    """(where, without, with) of every field within."""
    for one in _members(kind):
        if (inner := _inner(one)) is not None:
            for at, without, having in _walk(inner, key, f"{where}[]", above):
                yield at, [without], [having]
        elif typing_extensions.is_typeddict(one) and one not in above:
            yield from _walk_object(one, key, f"{where}<{one.__name__}>", above)


def _walk_object(kind: Any, key: str, where: str, above: tuple[Any, ...]) -> Iterator[tuple[str, Any, Any]]:
    try:
        least = _least(kind, key, above)
    except _NoSample:
        return
    for name, field in _fields(kind).items():
        for value in _samples(field, name, (*above, kind)):
            if name not in least:
                yield f"{where}.{name}={value!r:.60}", least, {**least, name: value}
            elif isinstance(value, (str, int, float)) and get_origin(_members(field)[0]) is not Literal:
                if (other := _other(value)) is not None:
                    yield f"{where}.{name}~", {**least, name: value}, {**least, name: other}
        for at, without, having in _walk(field, name, f"{where}.{name}", (*above, kind)):
            yield at, {**least, name: without}, {**least, name: having}


def rows(client: Protocol) -> Iterator[Row]:
    """Every field of a client's request; bodies that are alike once."""
    schema, seen = SCHEMAS[client], set[str]()
    for name, field in _fields(schema).items():
        if name in ("model", "betas", "stream"):
            continue
        found = list(_walk(field, name, name, (schema,)))
        if name not in _required(schema):
            found += [(f"{name}={one!r:.60}", None, one) for one in _samples(field, name, (schema,))]
        for where, without, having in found:
            pair = (_placed(client, name, without), _placed(client, name, having))
            if repr(pair) not in seen:
                seen.add(repr(pair))
                yield where, *pair


def _placed(client: Protocol, name: str, value: Any) -> Body:
    """value: None for a body without it. In a conversation in which it may stand, a choice with a tool."""
    if name == "tool_choice":
        tools = {"tools": [OWN if client is MESSAGES else FLAT]}
        return tools if value is None else {name: value, **tools}
    if value is None:
        return {}
    if name not in ("messages", "input") or not isinstance(value, list):
        return {name: value}
    item = value[0]
    kind, role = str(item.get("type", "message")), item.get("role")
    if client is CHAT:
        around = _AROUND_CHAT.get(str(role), ([], []))
    elif client is MESSAGES:
        return {name: _turns(item)}
    else:
        around = _AROUND_ITEMS.get(kind, ([], []))
    if role in ("system", "developer"):
        return {name: [item, HI]}
    if role == "assistant" and client is CHAT:
        item = {"content": "b", **item}
    return {name: [HI, *around[0], item, *around[1], GO]}


_CALL: Body = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
_CUSTOM: Body = {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "i"}
_SHELL: Body = {"type": "shell_call", "call_id": "c1", "action": {"commands": ["ls"]}}
_PATCH: Body = {
    "type": "apply_patch_call",
    "call_id": "c1",
    "operation": {"type": "delete_file", "path": "a"},
}
_CLICK: Body = {"type": "computer_call", "id": "u", "call_id": "c1", "action": {"type": "screenshot"}}
_AROUND_ITEMS: dict[str, tuple[list[Body], list[Body]]] = {
    f"{call['type']}_output": ([call], []) for call in (_CALL, _CUSTOM, _SHELL, _PATCH, _CLICK)
} | {
    "function_call": ([], [{"type": "function_call_output", "call_id": "c1", "output": "r"}]),
    "custom_tool_call": ([], [{"type": "custom_tool_call_output", "call_id": "c1", "output": "r"}]),
}
_CALLING: Body = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_AROUND_CHAT: dict[str, tuple[list[Body], list[Body]]] = {
    "tool": ([{"role": "assistant", "content": "", "tool_calls": [_CALLING]}], []),
    "function": (
        [{"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}}],
        [],
    ),
}


def _turns(message: Body) -> list[Body]:
    """A block of Messages, in the turn of who may say it."""
    content = message.get("content", "b")
    block = content[0] if isinstance(content, list) else {}
    kind = str(block.get("type", ""))
    if kind == "tool_result":
        use = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
        return [HI, {"role": "assistant", "content": [use]}, {"role": "user", "content": content}]
    if kind == "tool_use":
        result = {"type": "tool_result", "tool_use_id": block["id"], "content": "r"}
        return [HI, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    if "citations" in block or kind.endswith(("_use", "_tool_result", "thinking")):
        return [HI, {"role": "assistant", "content": [*content, {"type": "text", "text": "b"}]}, GO]
    return [HI, message] if message.get("role") == "system" else [message, GO]
