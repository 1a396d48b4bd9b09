"""Chunks of Chat whose members are not of the protocol's types, brought to them: a number where a word belongs, one
object where a list does (docs/protocols/streams.md#members-of-other-types).

Asked only where the decoder refused a chunk, so that it costs others nothing. Not here: what a chunk means (seen.py).
"""

from __future__ import annotations

from typing import Any

import msgspec


def shaped(value: dict[str, Any]) -> dict[str, Any]:
    """The same chunk or body as the types of frames.py take it. What has no meaning there is left out."""
    choices = value.get("choices")
    if isinstance(choices, dict | list):
        choices = [_choice(one) for one in _dicts(choices)]
    return {
        **value,
        "id": _text(value.get("id")),
        "model": _text(value.get("model")),
        "service_tier": _text(value.get("service_tier")),
        "choices": choices,
    }


def _choice(value: dict[str, Any]) -> dict[str, Any]:
    return {
        **value,
        "index": _number(value.get("index")),
        "delta": _delta(value.get("delta")),
        "message": _delta(value.get("message")),
        "finish_reason": _word(value.get("finish_reason")),
    }


def _delta(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return {"content": value} if isinstance(value, str) else None
    content, calls = value.get("content"), value.get("tool_calls")
    call = value.get("function_call")
    return {
        **value,
        "content": [content] if isinstance(content, dict) else content if isinstance(content, list) else _text(content),
        "tool_calls": [_call(one) for one in _dicts(calls)] if calls else None,
        "function_call": _function(call),
    }  # fmt: skip


def _call(value: dict[str, Any]) -> dict[str, Any]:
    return {
        **value,
        "index": _number(value.get("index")),
        **{name: _text(value.get(name)) for name in ("id", "type", "name")},
        **{name: _function(value.get(name)) for name in ("function", "custom")},
    }


def _function(value: Any) -> dict[str, Any] | None:
    found = next(iter(_dicts(value)), None)
    if found is None:
        return {"name": value} if isinstance(value, str) and value else None
    return {**found, "name": _text(found.get("name")), "input": _text(found.get("input"))}


def _dicts(value: Any) -> list[dict[str, Any]]:
    """One object, or a list of them, less what is none."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else msgspec.json.encode(value).decode()


def _word(value: Any) -> str | None:
    """A reason to stop: a number of the engine's own, or an object that names it."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = next((value[name] for name in ("type", "reason", "finish_reason") if value.get(name)), value)
    return _text(value)
