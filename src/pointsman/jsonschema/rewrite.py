"""JSON Schemas changed to what a target understands. Deterministic, keys in their order, the input never changed.

for_anthropic: the subset that Anthropic enforces (subset.py). safe_for_grammar: what the grammar compilers of
local servers stand (grammar.py). Here: the shape of a tool's schema, the arrays that OpenAI takes, and whether it
enforces a schema as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .grammar import safe_for_grammar
from .structure import (
    FORMATS,
    LISTED,
    MAX_DEPTH,
    NAMED,
    SILENT,
    SINGLE,
    Schema,
    Unsupported,
    children,
    described,
    merged,
    resolve,
    type_names,
)
from .subset import Room, for_anthropic

__all__ = [
    "Room",
    "Unsupported",
    "for_anthropic",
    "is_openai_strict",
    "object_schema",
    "safe_for_grammar",
    "with_items",
]

_UNIONS = ("anyOf", "oneOf")
_WRAPPER = "value"
"""Property that holds what is no object; nobody who calls tools over these protocols sends such a schema."""

_STRICT_DEPTH = 10
_STRICT_PROPERTIES = 5000
_STRICT_ENUMS = 1000
"""Limits of OpenAI's structured outputs, of one schema."""
_STRICT_KEYS = SILENT - {"discriminator"} | {
    "type", "title", "description", "properties", "required", "additionalProperties", "items", "enum", "const",
    "anyOf", "$ref", "$defs", "definitions", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
}  # fmt: skip
_STRICT_FORMATS = FORMATS - {"uri"}


def object_schema(schema: Mapping[str, Any] | None) -> Schema:
    """A tool's schema with `type: object` and `properties` at its top
    (docs/protocols/tools.md#declarations). A union of objects at the top, which both vendors
    refuse, becomes one object that takes each of them. The same object when nothing is to do."""
    if not schema:
        return {"type": "object", "properties": {}}
    if schema.get("type") == "object" and "properties" in schema and not _is_composed(schema):
        return schema if isinstance(schema, dict) else dict(schema)
    try:
        flat = _flat(schema, schema, 0)
    except Unsupported:
        flat = None
    if flat is None:
        return {"type": "object", "properties": {_WRAPPER: dict(schema)}, "required": [_WRAPPER]}
    out = {key: "object" if key == "type" else value for key, value in flat.items()}
    out = out if "type" in out else {"type": "object", **out}
    return out if isinstance(out.get("properties"), dict) else {**out, "properties": {}}


def _is_composed(schema: Mapping[str, Any]) -> bool:
    return "$ref" in schema or "allOf" in schema or any(key in schema for key in _UNIONS)


def _flat(root: Mapping[str, Any], node: Any, depth: int) -> Schema | None:
    """The node as one object without a reference or union at its top; None when it is no object."""
    if not isinstance(node, dict) or depth > 16:
        return None
    rest = {key: value for key, value in node.items() if key not in ("$ref", "allOf", *_UNIONS)}
    parts: list[Any] = [resolve(root, node["$ref"])] if isinstance(node.get("$ref"), str) else []
    parts += node["allOf"] if isinstance(node.get("allOf"), list) else []
    out: Schema = {}
    for part in parts:
        flat = _flat(root, part, depth + 1)
        if flat is None:
            return None
        out = merged(out, {key: value for key, value in flat.items() if key not in ("$defs", "definitions")})
    out = merged(out, rest)
    for key in _UNIONS:
        if isinstance(node.get(key), list):
            variants = [one for one in (_variant(root, out, sub, depth) for sub in node[key]) if one]
            if not variants:
                return None
            out = _any_of(out, variants)
            if any(
                isinstance(sub, dict) and "required" in sub and "properties" not in sub for sub in node[key]
            ):
                out["description"] = described(out.get("description"), {key: node[key]})
    return out if _may_be_object(out) else None


def _variant(root: Mapping[str, Any], base: Schema, variant: Any, depth: int) -> Schema | None:
    """One of a union, together with what stands beside it; None when it is no object: arguments always are."""
    if not isinstance(variant, dict):
        return None
    try:
        return _flat(root, merged(base, variant), depth + 1)
    except Unsupported:
        return None


def _may_be_object(schema: Mapping[str, Any]) -> bool:
    types = type_names(schema)
    return "object" in types or (not types and not {"enum", "const", "items"} & schema.keys())


def _any_of(base: Schema, variants: list[Schema]) -> Schema:
    """One object that every variant's objects fit: all properties, those required that all require."""
    properties: dict[str, Any] = {}
    for variant in variants:
        declared = variant.get("properties")
        for name, sub in declared.items() if isinstance(declared, dict) else ():
            seen = properties.setdefault(name, [])
            if sub not in seen:
                seen.append(sub)
    joined = {name: subs[0] if len(subs) == 1 else {"anyOf": subs} for name, subs in properties.items()}
    lists = [found if isinstance(found := variant.get("required"), list) else [] for variant in variants]
    required = [name for name in lists[0] if all(name in others for others in lists)]
    out = {**base, "properties": joined, "required": required}
    if not required:
        del out["required"]
    if any(variant.get("additionalProperties") is not False for variant in variants):
        out.pop("additionalProperties", None)
    else:
        out["additionalProperties"] = False
    return out


def with_items(schema: Mapping[str, Any]) -> Schema:
    """The schema whose arrays all say what their items are, which means the same: OpenAI answers 400 "array schema
    missing items" to others, strict or not. A list of items becomes `prefixItems`, as the newer drafts write it. The
    same object when nothing is to do."""
    found = _itemised(schema, 0)
    return found if isinstance(found, dict) else dict(schema)


def _itemised(node: Any, depth: int) -> Any:
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return node
    out: Schema = {}
    changed = False
    for key, value in node.items():
        if key in NAMED and isinstance(value, dict):
            made: Any = {name: _itemised(sub, depth + 1) for name, sub in value.items()}
            same = all(made[name] is sub for name, sub in value.items())
        elif key in LISTED and isinstance(value, list):
            made = [_itemised(sub, depth + 1) for sub in value]
            same = all(map(_is, made, value))
        elif key in SINGLE and isinstance(value, dict):
            made = _itemised(value, depth + 1)
            same = made is value
        else:
            continue
        if not same:
            out[key], changed = made, True
    out = {**node, **out} if changed else node
    if "array" not in type_names(out) or isinstance(out.get("items"), dict):
        return out
    listed = out.get("items")
    if not isinstance(listed, list):
        return {**out, "items": {"not": {}} if listed is False else {}}
    first = [_itemised(sub, depth + 1) for sub in listed]
    more = out.get("additionalItems", {})
    rest = {key: value for key, value in out.items() if key not in ("items", "additionalItems")}
    after = more if isinstance(more, dict) else {} if more else {"not": {}}
    return {**rest, "prefixItems": first, "items": after}


def _is(one: Any, other: Any) -> bool:
    return one is other


def is_openai_strict(schema: Mapping[str, Any]) -> bool:
    """Would OpenAI's strict mode take it: every object closed, every property required, nothing it does not know?"""
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    counts = [0, 0]
    return _is_strict(schema, 1, counts) and counts[0] <= _STRICT_PROPERTIES and counts[1] <= _STRICT_ENUMS


def _is_strict(node: Any, depth: int, counts: list[int]) -> bool:
    """depth: levels of objects. counts: properties and enum values so far."""
    if not isinstance(node, dict) or depth > _STRICT_DEPTH or not node.keys() <= _STRICT_KEYS:
        return False
    if "$ref" in node:
        # "$ref cannot have keywords": what stands beside a reference is a 400. Recursion is allowed.
        return isinstance(node["$ref"], str) and node["$ref"].startswith("#") and len(node) == 1
    if not {"type", "anyOf", "enum", "const"} & node.keys():
        return False
    properties = node.get("properties")
    if "object" in type_names(node) or properties is not None:
        required = node.get("required")
        if not isinstance(properties, dict) or node.get("additionalProperties") is not False:
            return False
        if not isinstance(required, list) or not _same_names(required, properties):
            return False
        counts[0] += len(properties)
    if "array" in type_names(node) and not isinstance(node.get("items"), dict):
        return False
    counts[1] += len(node["enum"]) if isinstance(node.get("enum"), list) else 0
    text = node.get("pattern", "")
    if not isinstance(text, str) or "(?=" in text or "(?!" in text or "(?<" in text:
        return False
    if "format" in node and not (isinstance(node["format"], str) and node["format"] in _STRICT_FORMATS):
        return False
    return all(
        _is_strict(sub, depth + (key.startswith("properties.") or key == "items"), counts)
        for key, sub in children(node)
        if key != "additionalProperties"
    )


def _same_names(required: list[Any], properties: Mapping[str, Any]) -> bool:
    return len(required) == len(properties) and all(
        isinstance(name, str) and name in properties for name in required
    )
