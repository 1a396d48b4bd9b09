"""Small helpers with which the protocols read a request: texts out of content, limits, checks. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import PracticeError, count


def text_of(content: Any) -> str:
    """The text in a message's content, whichever of the protocols' shapes it has."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, (text_of(part) for part in content)))
    if isinstance(content, dict):
        return text_of(content.get("text") or content.get("content") or content.get("refusal") or "")
    return ""


def items_of(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A required, non-empty list of objects."""
    items = body.get(name)
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise PracticeError(400, f"`{name}` must be a list of at least one object", param=name)
    return items


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of an optional list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """An optional object."""
    return value if isinstance(value, dict) else {}


def limit_of(body: Mapping[str, Any], *names: str) -> int | None:
    """The first token limit that is set."""
    for name in names:
        value = body.get(name)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise PracticeError(400, f"`{name}` must be a whole number of at least 1", param=name)
            return value
    return None


def stops_of(value: Any) -> tuple[str, ...]:
    """Stop sequences, given as one text or a list."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def schema_of(form: Mapping[str, Any], named: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The shape of the answer that a request asks for. named: where a `json_schema` has its schema."""
    if form.get("type") == "json_schema":
        return mapping(named.get("schema"))
    if form.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return None


def cost_of(messages: list[dict[str, Any]], extra: Any = None) -> int:
    """Input tokens: every message, four more for its frame, and what else is sent along."""
    return sum(count(text_of(item)) + 4 for item in messages) + count(extra)
