"""The whole answer of Chat or Completions that a stream of it says in pieces, every member kept: for servers that must be
asked for a stream (docs/protocols/backends.md#servers-that-never-notice-who-left).

Made of dictionaries, so that members nobody knows here come through as well. Not here: whether the stream is an answer
at all (seen.py of each), and translation (openai_chat/reader.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..wire.sse import EventSplitter, data_of
from .decoding import UNREADABLE

_ONCE = frozenset({"role", "id", "type", "object", "format", "index", "finish_reason", "expires_at"})
"""Members whose text is said once, and perhaps again, but not in pieces."""


def chat_whole(stream: bytes) -> bytes:
    """A `chat.completion`."""
    return _whole(stream, "chat.completion", _message)


def completions_whole(stream: bytes) -> bytes:
    """A `text_completion`."""
    return _whole(stream, "text_completion", _choice)


def _whole(stream: bytes, kind: str, close: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    answer: dict[str, Any] = {}
    choices: dict[Any, dict[str, Any]] = {}
    splitter = EventSplitter()
    for event in (*splitter.feed(stream), splitter.finish()):
        try:
            chunk = msgspec.json.decode(data_of(event))
        except UNREADABLE:
            continue  # `[DONE]`, a comment, or what is counted as malformed
        if not isinstance(chunk, dict):
            continue
        said = chunk.pop("choices", None)
        for choice in said if isinstance(said, list) else ():
            if isinstance(choice, dict):
                index = choice.get("index") or 0
                _add(choices.setdefault(index, {"index": index}), choice)
        for name, value in chunk.items():
            if value is not None or name not in answer:
                answer[name] = value
        answer.setdefault("choices", [])
    answer["object"] = kind
    answer["choices"] = [close(choices[index]) for index in sorted(choices)]
    usage = answer.pop("usage", None)
    if usage is not None:
        answer["usage"] = usage  # where a whole answer has it
    return msgspec.json.encode(answer)


def _message(choice: dict[str, Any]) -> dict[str, Any]:
    said = choice.pop("delta", None)
    also = choice.pop("message", None)  # some chunks say it so
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for one in (said, also):
        if isinstance(one, dict):
            _add(message, one)
    for call in message.get("tool_calls") or ():
        call.pop("index", None)  # of the pieces
    return _choice({"index": choice.pop("index"), "message": message, **choice})


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    choice.setdefault("finish_reason", None)
    return choice


def _add(whole: dict[str, Any], piece: dict[str, Any]) -> None:
    """Texts go on, objects are filled, lists of numbered pieces are sorted by their number, other lists go on; of all else
    the last that is not null counts."""
    for name, value in piece.items():
        before = whole.get(name)
        if value is None:
            whole.setdefault(name, None)
        elif isinstance(value, str) and isinstance(before, str):
            whole[name] = (value or before) if name in _ONCE else _longer(name, before, value)
        elif isinstance(value, dict) and isinstance(before, dict):
            _add(before, value)
        elif isinstance(value, dict):
            whole[name] = {}
            _add(whole[name], value)
        elif isinstance(value, list):
            whole[name] = _joined(before if isinstance(before, list) else [], value)
        else:
            whole[name] = value


def _longer(name: str, before: str, value: str) -> str:
    """A tool's name is said whole again by some, and in pieces by others."""
    return before if name == "name" and value == before else before + value


def _joined(before: list[Any], pieces: list[Any]) -> list[Any]:
    for piece in pieces:
        if not isinstance(piece, dict):
            before.append(piece)
            continue
        number = piece.get("index")
        same = (one for one in before if isinstance(one, dict) and one.get("index") == number)
        found = next(same, None) if number is not None else None
        if found is None:
            found = {}
            before.append(found)
        _add(found, piece)
    return before
