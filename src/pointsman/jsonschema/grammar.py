"""A schema that the grammar compilers of local servers stand
(docs/protocols/backends.md#grammar-safe-schemas).

llama.cpp and what is built on it (Ollama, LM Studio) turn all tools of a request into one grammar: one `\\d` in one
pattern of one tool, and the whole request is a 400 "failed to parse grammar". What such a compiler fails on is written in a
way it stands where that means the same, else it is said in words in the description.

The rules are read off llama.cpp's json-schema-to-grammar.cpp of 2026 and its issues 27580, 26930, 25746 and 19051.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .regex import ROOM, safe_pattern
from .structure import FORMATS, LISTED, NAMED, TYPES, Schema, Unsupported, children, described, resolve

_MAX_DEPTH = 24
"""Levels of nesting; deeper ones stand for any value. Compilers recurse."""
_MAX_INT = 2**53
_MACHINE = frozenset({"int32", "int64", "uint32", "uint64", "float", "double", "byte", "binary", "password"})
"""OpenAPI's formats: how a value is stored, not which values there are."""
_NEVER = frozenset(
    {
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties", "propertyNames",
        "contains", "minContains", "maxContains", "unevaluatedItems", "unevaluatedProperties", "additionalItems",
        "uniqueItems", "multipleOf", "minProperties", "maxProperties", "$dynamicRef", "$recursiveRef",
    }
)  # fmt: skip
"""Constraints that no grammar has: ignored by some compilers, an error in others."""
_REPEATED = ("minLength", "maxLength", "minItems", "maxItems")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_$.:/@ -]+")
_LEFT: Any = object()
"""Not a value: the keyword is said in words instead."""


def safe_for_grammar(schema: Mapping[str, Any]) -> tuple[Schema, list[str]]:
    """The schema that compiles, and the paths of what it no longer enforces. The same object when it already did."""
    work = _Safe(schema)
    out = work.convert(schema, "", 0, ROOM)
    return (schema if isinstance(schema, dict) and out == schema else out), work.changed


class _Safe:
    """One conversion. changed: paths of constraints that are now words, or gone."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.changed: list[str] = []

    def convert(self, node: Any, path: str, depth: int, room: int) -> Schema:
        """room: how often a rule may still be repeated; repetitions within repetitions multiply."""
        if not isinstance(node, Mapping):
            if node is not True:
                self.changed.append(path.rstrip(".") or "schema")
            return {}
        if depth > _MAX_DEPTH:
            self.changed.append(path.rstrip("."))
            kind = node.get("type")
            return {"type": kind} if isinstance(kind, str) and kind in TYPES else {}
        out: Schema = {}
        left: Schema = {}
        for key, value in node.items():
            kept = self._keyword(key, value, node, path, depth, room)
            if kept is not _LEFT:
                out[key] = kept
                continue
            self.changed.append(f"{path}{key}")
            if key not in ("$ref", "type"):
                left[key] = value
        if left:
            out["description"] = described(out.get("description"), left)
        return out

    def _keyword(
        self, key: str, value: Any, node: Mapping[str, Any], path: str, depth: int, room: int
    ) -> Any:
        match key:
            case "$ref":
                return value if self._leads_somewhere(value) else _LEFT
            case "type":
                return _kind(value)
            case "pattern":
                safe = safe_pattern(value, room) if isinstance(value, str) else None
                return _LEFT if safe is None else safe
            case "format":
                return value if isinstance(value, str) and (value in FORMATS or value in _MACHINE) else _LEFT
            case "enum":
                return list(value) if isinstance(value, list) and value else _LEFT
            case "description":
                return value if isinstance(value, str) else _LEFT
        if key in _NEVER or (key in _REPEATED and not _fits(value, room)):
            return _LEFT
        if key in _BOUNDS:
            return _bound(value, node)
        if key in NAMED:
            if not isinstance(value, dict):
                return _LEFT
            at = f"{path}{key}"
            return {name: self.convert(sub, f"{at}.{name}.", depth + 1, room) for name, sub in value.items()}
        inside = _inside(node, room)
        if key in LISTED or (key == "items" and isinstance(value, list)):
            if not isinstance(value, list) or not value:
                return _LEFT
            return [self.convert(sub, f"{path}{key}[{i}].", depth + 1, inside) for i, sub in enumerate(value)]
        if key == "additionalProperties" and value is not False and not _plain_names(node):
            return _LEFT
        if key in ("items", "additionalProperties") and not isinstance(value, bool):
            return self.convert(value, f"{path}{key}.", depth + 1, inside)
        return value

    def _leads_somewhere(self, ref: Any) -> bool:
        """It must be found by its plain path, and must not come back to itself before anything was written."""
        if not isinstance(ref, str) or not ref.startswith("#/") or "~" in ref or "%" in ref:
            return False
        try:
            target = resolve(self.root, ref)
        except Unsupported:
            return False
        return isinstance(target, dict) and not self._turns_back(ref)

    def _turns_back(self, ref: str) -> bool:
        """Left recursion: from a reference over unions and references back to it."""
        seen: set[str] = set()
        rest: list[Any] = [resolve(self.root, ref)]
        while rest:
            node = rest.pop()
            if not isinstance(node, dict):
                continue
            rest.extend(sub for key, sub in children(node) if key.startswith(("anyOf[", "oneOf[", "allOf[")))
            found = node.get("$ref")
            if not isinstance(found, str) or found in seen:
                continue
            if found == ref:
                return True
            seen.add(found)
            try:
                rest.append(resolve(self.root, found))
            except Unsupported:
                continue
        return False


def _kind(value: Any) -> Any:
    """Types that are none (`file`, `any`) are an error; some tool servers send them."""
    if isinstance(value, list) and value and all(one in TYPES for one in value):
        return list(value)
    return value if isinstance(value, str) and value in TYPES else _LEFT


def _bound(value: Any, node: Mapping[str, Any]) -> Any:
    """Of integers they become digits; a fraction or a number beyond 64 bits is cut to something else."""
    if node.get("type") != "integer":
        return value
    if type(value) is not int or abs(value) >= _MAX_INT:
        return _LEFT
    low, high = node.get("minimum"), node.get("maximum")
    return _LEFT if type(low) is int and type(high) is int and low > high else value


def _fits(value: Any, room: int) -> bool:
    return type(value) is int and 0 <= value <= room


def _inside(node: Mapping[str, Any], room: int) -> int:
    """What an array's bound leaves for what stands in it."""
    sizes = [node[key] for key in ("minItems", "maxItems") if _fits(node.get(key), room)]
    return room // max(1, *sizes) if sizes else room


def _plain_names(node: Mapping[str, Any]) -> bool:
    """Other names than the fixed ones become a rule made of their letters, which not every letter stands."""
    names = node.get("properties")
    return all(_PLAIN_NAME.fullmatch(name) for name in names) if isinstance(names, dict) else True
