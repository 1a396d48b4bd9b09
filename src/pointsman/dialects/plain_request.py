"""A request of texts and nothing else, read in one step: almost all small ones. What the dialects' parse_request() gives,
less `raw`, which nobody asks of such a one.

One-sided: None is the careful way's, which has every answer, and the words for what is wrong. Not here: any other
request (each dialect's request_in.py), and which members a dialect has beside these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from ..conversation.parts import Text
from ..conversation.request import ROLES, Message, Request, Role

_MOST = 64
_PATHS = [(f"messages[{at}]", f"messages[{at}].content") for at in range(_MOST)]


class _Turn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "assistant", "system", "developer"]
    content: str


class TextsBody(msgspec.Struct, forbid_unknown_fields=True):
    """The members that clients of both protocols send. One that is null is left to the careful way."""

    model: str
    messages: list[_Turn]
    max_tokens: int | None = None
    temperature: int | float | None = None
    top_p: int | float | None = None
    stream: bool | None = None


_fields_of = msgspec.structs.astuple
_USER, _ASSISTANT = Role.USER, Role.ASSISTANT


def texts_of(body: bytes, decode: Callable[[bytes], TextsBody], leading: bool) -> tuple[Request, Any] | None:
    """(the request, the value of the one member that the dialect's own TextsBody has more). decode: to that. leading: system
    messages may lead the conversation. Values are set one by one: a call with names costs more."""
    try:
        model, turns, most, temperature, top_p, stream, own = _fields_of(decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    count = len(turns)
    request = Request(model)
    strings = 4 * count + 3
    if type(own) is str:
        strings += 2
    elif own is not None:
        strings += 1
    if most is not None:
        if most < 0:
            return None
        request.max_tokens = most
        strings += 1
    if temperature is not None:
        if not 0 <= temperature <= 2:
            return None
        request.temperature = temperature
        strings += 1
    if top_p is not None:
        if not 0 <= top_p <= 1:
            return None
        request.top_p = top_p
        strings += 1
    if stream is not None:
        request.stream = stream
        strings += 1
    if not model or count > _MOST or not _is_all(body, strings) or not _fill(request, turns, leading):
        return None
    request.plain = request.texts = True
    return request, own


def _fill(request: Request, turns: list[_Turn], leading: bool) -> bool:
    """With its turns. Are they as Request.texts says?"""
    messages = request.messages
    awaited = _USER
    for at, turn in enumerate(turns):
        content = turn.content
        if not content or content.isspace():
            return False
        role = ROLES[turn.role]
        place, inside = _PATHS[at]
        text = Text(content)
        text.path = inside
        if role is awaited:
            message = Message(role, [text])
            message.path = place
            messages.append(message)
            awaited = _ASSISTANT if role is _USER else _USER
        elif leading and not messages and role is not _ASSISTANT:
            request.system.append(text)
        else:
            return False
    return awaited is _ASSISTANT


def _is_all(body: bytes, strings: int) -> bool:
    """Has the body so many strings, keys among them? A member that is written twice makes them more. False where that is not
    sure: where a backslash may stand before a quote without escaping it."""
    quotes = body.count(b'"')
    if body.find(b"\\") < 0:
        return quotes == 2 * strings
    return body.find(b"\\\\") < 0 and quotes - body.count(b'\\"') == 2 * strings
