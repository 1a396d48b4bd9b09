"""What the rules of all three vendors need: the target they are asked for, and JSON looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Rule = Callable[["Body", "Target"], Iterator[str]]
"""(body, target) -> what is wrong, in words."""

WORD = re.compile(r"[a-zA-Z0-9_-]+")
LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
NAMED = ("properties", "$defs", "definitions")


@dataclass(frozen=True)
class Target:
    """A model behind a vendor's API. vendor: it is the vendor's own service; others are less strict, or stricter.
    facts: what the vendor says of the model."""

    model: str
    vendor: bool = True
    reasons: bool = False
    efforts: tuple[str, ...] = ()
    max_tokens: int | None = None
    budget: bool = False
    adaptive: bool = False
    prefill: bool = False
    forced: bool = True
    mid_system: bool = False
    sampling: bool = True
    can_be_off: bool = True
    structured: bool = True
    nine: bool = False
    one_of: bool = True


def broken(rules: tuple[Rule, ...], body: Body, target: Target) -> list[str]:
    """Every rule that the body breaks, with its name."""
    return [f"{rule.__name__}: {what}" for rule in rules for what in rule(body, target)]


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and all that stand in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in NAMED and isinstance(value, dict):
            for sub in value.values():
                yield from nodes(sub)
        elif key in LISTED and isinstance(value, list):
            for sub in value:
                yield from nodes(sub)
        elif key in ("items", "additionalProperties", "not"):
            yield from nodes(value)


def types(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type")
    return [kind] if isinstance(kind, str) else list(kind or [])


def is_object(text: Any) -> bool:
    """Is it JSON text of an object?"""
    try:
        return isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Where a member is null, schemas left out: a null may be a value there."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is None:
                yield f"{path}.{key}"
            elif key not in ("parameters", "input_schema", "schema", "input"):
                yield from nulls(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nulls(inner, f"{path}[{index}]")


def openai_schema(schema: Any, strict: bool) -> Iterator[str]:
    """OpenAI, error of the API: "Invalid schema for function 'f': In context=('properties', 'paths'), array schema missing
    items", strict or not (aichat#1049). Strict: "additionalProperties must be set to false", "all fields must be
    required", "nested up to 10 levels", "the root must be an object" (OpenAI docs, Structured outputs)."""
    if not isinstance(schema, dict):
        return
    for node in nodes(schema):
        if "array" in types(node) and not isinstance(node.get("items"), dict):
            yield "array schema missing items"
        if not strict:
            continue
        if "object" in types(node) or "properties" in node:
            if node.get("additionalProperties") is not False:
                yield "strict: an object is open"
            if sorted(node.get("required", [])) != sorted(node.get("properties", {})):
                yield "strict: a property is not required"
        unknown = node.keys() & {
            "allOf",
            "oneOf",
            "not",
            "if",
            "then",
            "else",
            "default",
            "minLength",
            "patternProperties",
        }
        if unknown:
            yield f"strict: {sorted(unknown)}"
        if "$ref" in node and len(node) > 1:
            yield "strict: $ref cannot have keywords"
    if strict and (schema.get("type") != "object" or "anyOf" in schema):
        yield "strict: the root is no object"
