"""What the rewriters of JSON Schemas share: where subschemas stand, local references, and two schemas as one.

Not here: what any target takes (subset.py, grammar.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

Schema = dict[str, Any]

MAX_DEPTH = 64
"""Levels of nesting that are looked at; no tool or answer that people write comes near."""

NAMED = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
"""Keywords whose value is names -> schemas."""
LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords whose value is a list of schemas."""
SINGLE = (
    "items", "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
"""Keywords whose value is a schema."""

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""Of strings: those that both vendors and the grammar compilers know."""
SILENT = frozenset({"$schema", "$id", "$anchor", "$comment", "discriminator"})
"""Keywords that constrain nothing and say nothing to a model."""
HINTS = frozenset(
    [
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "nullable",
    ]
)
"""Keywords that constrain nothing but may help a model."""

_LARGER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_SMALLER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


class Unsupported(ValueError):
    """The target cannot enforce this schema, and no rewriting of it would mean the same. The text says why."""


def children(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The subschemas, each with its path from this one."""
    for key, value in schema.items():
        if key in NAMED and isinstance(value, dict):
            for name, sub in value.items():
                yield f"{key}.{name}", sub
        elif key in LISTED or (key == "items" and isinstance(value, list)):
            for index, sub in enumerate(value if isinstance(value, list) else ()):
                yield f"{key}[{index}]", sub
        elif key in SINGLE:
            yield key, value


def resolve(root: Any, ref: str) -> Any:
    """What a reference inside the same schema points to. Raises Unsupported."""
    if ref != "#" and not ref.startswith("#/"):
        raise Unsupported(f"the reference {ref!r} leads out of the schema")
    found = root
    for step in ref[2:].split("/") if ref != "#" else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise Unsupported(f"the reference {ref!r} leads nowhere")
    return found


def described(description: Any, constraints: Mapping[str, Any]) -> str:
    """A description that also says in words what the schema no longer enforces."""
    words = ", ".join(f"{key}: {_plain(value)}" for key, value in constraints.items())
    return f"{description}\n\n{{{words}}}" if isinstance(description, str) and description else f"{{{words}}}"


def _plain(value: Any) -> str:
    try:
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except (OverflowError, TypeError, ValueError):  # a number beyond 64 bits
        return str(value)


def type_names(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of `type`, () when there is none."""
    value = schema.get("type")
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> Schema:
    """One schema that asks for both (an `allOf` without the word). Where they only describe, right wins.

    Raises Unsupported where that cannot be written as one.
    """
    out: Schema = dict(left)
    for key, value in right.items():
        out[key] = _both(key, left[key], value) if key in left else value
    return out


def _both(key: str, left: Any, right: Any) -> Any:
    if left == right or key in HINTS or key in SILENT:
        return right
    if key == "type":
        return _common_type(left, right)
    if key in ("properties", "$defs", "definitions") and isinstance(left, dict) and isinstance(right, dict):
        return {**left, **{name: _joined(left, name, sub) for name, sub in right.items()}}
    if key == "required" and isinstance(left, list) and isinstance(right, list):
        return left + [name for name in right if name not in left]
    if key == "enum" and isinstance(left, list) and isinstance(right, list):
        return [value for value in left if value in right]
    if key == "additionalProperties":
        return False if left is False or right is False else right if left is True else left
    if key == "items" and isinstance(left, dict) and isinstance(right, dict):
        return {"allOf": [left, right]}
    if key in _LARGER or key in _SMALLER:
        return _bound(key, left, right)
    raise Unsupported(f"two different '{key}' hold at once")


def _joined(left: Mapping[str, Any], name: str, sub: Any) -> Any:
    if name not in left or left[name] == sub:
        return sub
    return {"allOf": [left[name], sub]}


def _common_type(left: Any, right: Any) -> Any:
    ours, theirs = type_names({"type": left}), type_names({"type": right})
    both = [one for one in ours if one in theirs or (one == "integer" and "number" in theirs)]
    both += [one for one in theirs if one == "integer" and "number" in ours and one not in both]
    if not both:
        raise Unsupported("two different 'type' hold at once")
    return both[0] if len(both) == 1 else both


def _bound(key: str, left: Any, right: Any) -> Any:
    try:
        return max(left, right) if key in _LARGER else min(left, right)
    except TypeError:
        raise Unsupported(f"two different '{key}' hold at once") from None
